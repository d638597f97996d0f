"""Curves and panels: static pictures and interactive plots."""
