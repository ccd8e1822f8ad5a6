"""Damage of a JPEG that its decoder can't notice: a jump of the colors from one block on.

A JPEG stores how much the mean of each block differs from that of the block before. Where one such difference is
damaged and can still be decoded, all blocks after it are brighter, darker or of another color by the same amount. So
the upper border of that row of blocks shows the jump to the right of the damaged block, the lower one to the left.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pathopipe.slide.backend import RGB

# None of the intact fields and tiles at hand has a jump of more (docs/formats.md).
_LEAST_JUMP: Final = 10.0
_PART: Final = 15
_PARTS: Final = (8, 16)  # fewer say too little
_TEXTURE: Final = 2.0
_ROUGHER: Final = 3.0
_ROUNDING: Final = 0.1
"""Of a sum that is compared with a mean in single precision."""


def has_jump(pixels: RGB, unit: int) -> bool:
    """Whether the colors of a decoded image (H, W, 3) jump at the border of two rows of blocks, from some block on.

    Parameters
    ----------
    unit
        Height of a row of blocks in pixels: 8, or 16 where chroma is stored at half the size.
    """
    height, width = pixels.shape[:2]
    count, parts = (height - 2) // unit if unit > 1 else 0, min(_PARTS[1], width // _PART)
    if count < 1 or parts < _PARTS[0]:
        return False
    upper, lower = pixels[unit - 1 : unit * count : unit], pixels[unit : unit * count + 1 : unit]
    if width % parts == 0 and not _can_jump(upper[:, -(width // parts) :], lower[:, -(width // parts) :]):
        return False
    step = lower - upper.astype(np.float32)
    means = np.asarray(cv2.resize(step, (parts, count), interpolation=cv2.INTER_AREA), np.float32)
    means = means.reshape(count, parts, 3)
    for border, color in np.argwhere(np.abs(means[:, -1]) > _LEAST_JUMP):
        part = _begin(means[border : border + 2, :, color])
        if part or (part == 0 and _is_textured_alike(pixels[..., color], unit * (int(border) + 1))):
            return True
    return False


def _can_jump(upper: RGB, lower: RGB) -> bool:
    """Whether the last part of a border jumps, which is all that most images are asked; else nothing does."""
    sums = lower.sum(axis=1, dtype=np.int32) - upper.sum(axis=1, dtype=np.int32)
    return bool(np.abs(sums).max() > _LEAST_JUMP * upper.shape[1] - _ROUNDING)


def _begin(means: NDArray[np.float32]) -> int | None:
    """Where a jump begins that reaches the end of a border, by its parts' means (1 or 2, P) and those of the next one.

    None unless it runs along the next border up to where it began.
    """
    jumps = means * np.sign(means[0, -1]) > _LEAST_JUMP
    before = np.flatnonzero(~jumps[0])
    part = int(before[-1]) + 1 if len(before) else 0
    return part if not part or (len(jumps) == 2 and jumps[1, :part].all()) else None


def _is_textured_alike(values: NDArray[np.uint8], border: int) -> bool:
    """Whether the rows (W,) on either side of a straight border vary alike: those of a fill and of tissue do not.

    Texture is looked for in the second row from the border, as colors of halved size run over it.
    """
    before, above, below, after = values[border - 2 : border + 2].astype(np.float32)
    if min(_spread(before), _spread(after)) < _TEXTURE:
        return False
    return _spread(below - above) < _ROUGHER * (_spread(above - before) + 1)


def _spread(values: NDArray[np.float32]) -> float:
    """Mean absolute deviation from the median."""
    return float(np.abs(values - np.median(values)).mean())
