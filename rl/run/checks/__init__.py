"""Refusals before anything is built: prompts, paths, and records that must agree."""
