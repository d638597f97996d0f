"""Labellers by name, files with human labels, and records of how a labeller did on them."""
