"""Whole-slide pathology images to graded, auditable reports. For research use only."""

from importlib.metadata import version

__version__ = version("pathopipe")
