"""Growth of a step's cost with its sizes."""
