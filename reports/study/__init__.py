"""The page, table and figures of a study of many runs."""
