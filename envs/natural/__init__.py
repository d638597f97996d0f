"""Natural language: the situation in English, requests with two options, and a classifier of scratchpads."""
