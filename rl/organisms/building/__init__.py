"""Building of organisms: cache, training from scratch and on ready models, certification."""
