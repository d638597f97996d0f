"""Judges: verdicts of a language model behind an OpenAI-compatible endpoint, which may fail, lie and cost money."""
