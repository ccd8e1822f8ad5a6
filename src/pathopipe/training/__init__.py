"""Training nucleus networks on annotated images; the only part that cannot do without torch."""
