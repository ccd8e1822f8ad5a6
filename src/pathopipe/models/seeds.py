"""From a network's distance map to seeds."""

from math import ceil
from typing import Annotated

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass

from pathopipe.models.architecture import CHECKED, UPSAMPLING, Architecture
from pathopipe.models.base import TOP_SIDE
from pathopipe.ops.channels import BARRIER, DISTANCE, STEPS, Channels

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
    reach: Annotated[int, Field(ge=1, le=128)] = 56
    valley: Annotated[float, Field(ge=0, le=1)] = 0.8
    least: Annotated[float, Field(gt=0, le=1)] = 0.35

    @property
    def cut(self) -> int:
        """Half the side of the Gaussian's kernel."""
        return ceil(_SIGMAS * self.smoothing)

    @property
    def working_radius(self) -> int:
        """Radius of the maps that a seed depends on, in working pixels."""
        return ceil((self.reach + TOP_SIDE // 2 + self.cut) / UPSAMPLING)


def named(stacked: NDArray[np.uint8], architecture: Architecture) -> Channels:
    """Give the outputs (C, H, W) of a network their names."""
    return dict(zip(architecture.channels, stacked, strict=True))


def channels_of(architecture: Architecture) -> tuple[str, ...]:
    """Names of what `with_barrier` makes of a network's outputs."""
    return tuple(BARRIER if name == DISTANCE else name for name in architecture.channels)


def with_barrier(maps: Channels) -> Channels:
    """Put the barrier that `segment` takes in the place of the distance that a network learns."""
    return dict((BARRIER, ~image) if name == DISTANCE else (name, image) for name, image in maps.items())


def pick(maps: Channels, rule: SeedRule) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Pick seeds (N, 2), row and column, from a network's distance map; and their scores (N,)."""
    from pathopipe.models.blobs import prominent  # its loops are compiled, which a card alone does not need

    side = 2 * rule.cut + 1
    distance = maps[DISTANCE].astype(np.float32) / np.float32(STEPS)
    blurred = cv2.GaussianBlur(distance, (side, side), rule.smoothing, borderType=cv2.BORDER_REFLECT)
    landscape = np.asarray(blurred, np.float32)
    seeds = prominent(landscape, landscape >= rule.least, rule.reach, rule.valley)
    return seeds, landscape[seeds[:, 0], seeds[:, 1]]
