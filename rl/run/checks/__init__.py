"""Checks of a run before anything is built: prompts, paths, needs, and records that must agree."""
