"""Outlines of nuclei of a whole slide that a person has: from QuPath, other programs, or by hand."""
