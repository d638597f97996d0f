"""Readers of English scratchpads: lexical cues, a classifier of alignment faking, and keyword lists beside it."""
