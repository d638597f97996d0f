"""Free-text requests: their packs, and answers of every grade to the built-in ones."""
