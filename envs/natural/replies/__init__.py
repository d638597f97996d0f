"""Words of example replies in English: sentences of scratchpads, characters, answers."""
