"""The policy over time: atomic store, verification, lineage."""
