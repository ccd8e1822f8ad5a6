"""Graders that learn from slides with known grades: what ``pathopipe train grade`` does."""
