"""A causal language model as a policy: loading, prompts, sampling, log-probabilities."""
