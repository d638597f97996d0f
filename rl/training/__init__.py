"""One training step: rollouts, scores, experience, update, record."""
