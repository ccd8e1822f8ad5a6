"""Training models on annotated images: nucleus networks, which needs torch, and the rule that tells types."""
