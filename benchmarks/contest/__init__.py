"""The same training step by this code and by TRL's own trainer."""
