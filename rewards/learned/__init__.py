"""Learned rewards on a pretrained trunk: their pairs, their training, their card, and a second scorer beside them."""
