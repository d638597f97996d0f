"""The page of a run, or of several runs laid over each other."""
