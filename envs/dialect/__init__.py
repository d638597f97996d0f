"""The dialect: a small English in which the whole alignment-faking situation fits, with exact ground truth."""
