"""From a network's distance map to seeds."""

from math import ceil
from typing import Annotated

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass

from pathopipe.models.architecture import CHECKED, UPSAMPLING
from pathopipe.models.base import TOP_SIDE

_SIGMAS = 3


@dataclass(frozen=True, config=CHECKED)
class SeedRule:
    """How seeds are picked from the network's distance map; lengths in pixels of the maps.

    Attributes
    ----------
    smoothing
        Sigma of the Gaussian that smooths the distance map; cut off at three sigma.
    reach, valley
        Two tops closer than ``reach`` are one nucleus, unless the map between them falls below ``valley`` times the
        lower one.
    least
        Least height of a top, from 0 to 1.
    """

    smoothing: Annotated[float, Field(gt=0, le=16)] = 2.5
    reach: Annotated[int, Field(ge=1, le=128)] = 24
    valley: Annotated[float, Field(ge=0, le=1)] = 0.9
    least: Annotated[float, Field(gt=0, le=1)] = 0.35

    @property
    def cut(self) -> int:
        """Half the side of the Gaussian's kernel."""
        return ceil(_SIGMAS * self.smoothing)

    @property
    def working_radius(self) -> int:
        """How far a seed looks in the maps, in working pixels."""
        return ceil((self.reach + TOP_SIDE // 2 + self.cut) / UPSAMPLING)


def with_barrier(maps: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Turn maps (2, H, W) of foreground and distance into those that `segment` takes: foreground and barrier."""
    return np.stack([maps[0], 255 - maps[1]])


def pick(maps: NDArray[np.uint8], rule: SeedRule) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Pick seeds (N, 2), row and column, from maps (2, H, W) of foreground and distance; and their scores (N,)."""
    from pathopipe.models.blobs import prominent  # its loops are compiled, which a card alone does not need

    side = 2 * rule.cut + 1
    distance = maps[1].astype(np.float32) / np.float32(255)
    landscape = cv2.GaussianBlur(distance, (side, side), rule.smoothing, borderType=cv2.BORDER_REFLECT)
    seeds = prominent(landscape, landscape >= rule.least, rule.reach, rule.valley)
    return seeds, landscape[seeds[:, 0], seeds[:, 1]]
