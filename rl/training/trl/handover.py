"""Put the run's own prompts, sampling settings and KL reference in place of those that a TRL trainer makes itself."""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from peft import PeftModel
from transformers import GenerationConfig
from trl.trainer.utils import add_fused_lm_head

from rl.algorithms.policy_gradient import PolicyGradient
from rl.policy.policy import Policy, positions, unwrap_forward, without_adapter
from rl.training.learner import Learner

PromptIds = Callable[[Sequence[str]], list[list[int]]]


def hand_over(trainer: Any, algorithm: PolicyGradient, learner: Learner, prompt_ids: PromptIds) -> None:
    """Give a GRPOTrainer or an RLOOTrainer, built without a KL penalty, the run's own parts.

    TRL's own would be the tokenizer's template with the text of users read for special tokens, a generation config in
    which the model's directory has a say, and a reference loaded from the place that the model names.
    """
    _replace(trainer, "_tokenize_prompts", lambda prompts: (prompt_ids(prompts), None, {}))
    _sample_as_the_run_says(trainer, learner.policy)
    if isinstance(learner.policy.model, PeftModel) and "ref" in learner.policy.model.peft_config:
        learner.policy.model.delete_adapter("ref")  # RLOOTrainer adds a copy of the adapter, whatever it is told
    if algorithm.kl_weight:
        # Built with a penalty TRL would load a model, or add an adapter to the policy's.
        trainer.beta = algorithm.kl_weight
        trainer.ref_model = learner.reference.model
        add_fused_lm_head(without_adapter(learner.reference.model), temperature=trainer.temperature)


def take_back(learner: Learner) -> None:
    """Take off the wrappers that a trainer and `hand_over` put around both models."""
    for policy in (learner.policy, learner.reference):
        unwrap_forward(policy.model)


def _sample_as_the_run_says(trainer: Any, policy: Policy) -> None:
    if trainer.use_vllm:
        return  # its parameters are all given with each request
    # A field that is None here is filled from the model's generation config, which says nothing while TRL samples.
    trainer.generation_config.eos_token_id = list(policy.end_ids)
    trainer.generation_config.use_cache = policy.shortcuts.cached
    sample = trainer._generate_single_turn

    def sampled(*arguments: Any, **options: Any) -> Any:
        with _silent_generation_config(policy.model):
            return sample(*arguments, **options)

    _replace(trainer, "_generate_single_turn", sampled)


def own_tokenizer(policy: Policy) -> Any:
    """Copy the tokenizer for a trainer, which changes it; the pad token has a row in the embedding."""
    tokenizer = copy.deepcopy(policy.tokenizer)
    if tokenizer.pad_token_id != policy.pad_id:
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(policy.pad_id)
    return tokenizer


def special_ids_kept(policy: Policy) -> Callable[[], None]:
    """Keep the special tokens of the model's configuration; return the function that puts them back.

    A trainer writes its tokenizer's into them when it is built and again when training begins, and checkpoints would
    be saved with those.
    """
    model = without_adapter(policy.model)
    places = [place for place in (model.config.get_text_config(), model.generation_config) if place is not None]
    kept = [
        (place, name, getattr(place, name, None))
        for place in places
        for name in ("pad_token_id", "eos_token_id", "bos_token_id")
    ]

    def put_back() -> None:
        for place, name, value in kept:
            setattr(place, name, value)

    return put_back


@contextmanager
def placed(policy: Policy) -> Iterator[None]:
    """Give positions to padded rows without any; some models would count the padding.

    TRL's trainers give a mask alone. Models of relative positions don't mind, and are left as they are.
    """
    if policy.shortcuts.shifted:
        yield
        return

    def place(model: Any, given: Any, named: dict[str, Any]) -> Any:
        ids, mask = named.get("input_ids"), named.get("attention_mask")
        if ids is None or mask is None or mask.shape != ids.shape or named.get("position_ids") is not None:
            return None
        return given, {**named, "position_ids": positions(mask)}

    handle = without_adapter(policy.model).register_forward_pre_hook(place, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _silent_generation_config(model: Any) -> Iterator[None]:
    """Empty the model's generation config for the length of a block, and put the same object back afterwards.

    Only around sampling: checkpoints, which are saved during a training, keep the model's own.
    """
    holders = [model, without_adapter(model)] if isinstance(model, PeftModel) else [model]
    kept = [holder.generation_config for holder in holders]
    for holder in holders:
        holder.generation_config = GenerationConfig()
    try:
        yield
    finally:
        for holder, config in zip(holders, kept, strict=True):
            holder.generation_config = config


def _replace(trainer: Any, method: str, ours: Callable[..., Any]) -> None:
    assert callable(getattr(trainer, method, None)), f"{type(trainer).__name__} no longer has {method}"
    setattr(trainer, method, ours)
