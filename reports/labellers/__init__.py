"""Labellers against human labels: figures with intervals, and rates corrected for a labeller's errors."""
