"""Nucleus models and graders."""
