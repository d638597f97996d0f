"""Everything that a card can tell, measured in one go: see `benchmarks/gpu.sh`."""
