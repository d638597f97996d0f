"""How the cost of a step grows with its sizes."""
