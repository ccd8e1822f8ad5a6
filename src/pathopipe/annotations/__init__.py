"""Annotated images: which labels an image has, and what the labels say.

Coordinates are in pixels of the image, whose first pixel spans 0 to 1. Labels are outlines (a label image, or polygons
in GeoJSON) or points (a table, or GeoJSON).
"""

from pathopipe.annotations.labels import LABEL_SUFFIXES, Outlines, Points, Size, paint, read_annotations
from pathopipe.annotations.sheet import Annotated, find_labels, match, read_sheet

__all__ = [
    "LABEL_SUFFIXES",
    "Annotated",
    "Outlines",
    "Points",
    "Size",
    "find_labels",
    "match",
    "paint",
    "read_annotations",
    "read_sheet",
]
