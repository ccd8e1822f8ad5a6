"""Names of the dense maps that a nucleus model puts out and that stages ask for.

A channel is a uint8 image of a share from 0 to 1, times 255. A model may give others beside these, such as one for each
type of nucleus: who reads maps asks for them by name, and their order means nothing.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

FOREGROUND: Final = "foreground"
"""Probability that a pixel belongs to a nucleus."""
BARRIER: Final = "barrier"
"""0 inside a nucleus, 1 between two."""
DISTANCE: Final = "distance"
"""Distance from the edge, relative to the nucleus' own largest; 0 outside."""
STEPS: Final = 255
"""What a share of 1 is stored as."""

Channels = Mapping[str, NDArray[np.uint8]]
"""Images (H, W) of one shape by the names of their channels."""
