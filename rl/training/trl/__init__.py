"""Training steps by TRL's trainers."""
