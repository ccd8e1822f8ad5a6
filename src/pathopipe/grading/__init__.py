"""Graders: their protocol and registry, and those that follow published criteria."""
