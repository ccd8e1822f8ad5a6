"""Synthetic H&E slides of known truth."""
