"""The shape of the nucleus networks, known without loading a library that runs them.

A small residual U-Net (Ronneberger et al. 2015; He et al. 2016) whose output is finer than its input. The image is
folded into blocks of 2 x 2 pixels before the first convolution, so nothing is computed at full resolution, and the last
layer unfolds to ``UPSAMPLING`` output pixels per input pixel along each axis (sub-pixel convolution, Shi et al. 2016).
"""

from collections.abc import Iterator
from math import prod
from typing import Annotated, Final

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from pathopipe.ops.channels import DISTANCE, FOREGROUND

UPSAMPLING: Final = 2
"""Output pixels per input pixel, along each axis."""
FOLD: Final = 2
"""Input pixels per feature of the finest level, along each axis."""
CHECKED: Final = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
"""How the parts of a card are checked: it comes with weights, from anybody."""

_MOST_PARAMETERS: Final = 100_000_000
_Width = Annotated[int, Field(ge=1, le=1024)]
_Blocks = Annotated[int, Field(ge=0, le=16)]
_Channel = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,59}\z")]


@dataclass(frozen=True, config=CHECKED)
class Architecture:
    """Shape of a network.

    Attributes
    ----------
    widths
        Channels at 2, 4, 8, … input pixels per feature.
    blocks
        Residual blocks on the way down, for each of the widths.
    up_blocks
        Residual blocks on the way up, for each of the widths but the last.
    channels
        What it puts out, by name and in order.

    Raises
    ------
    ValueError
        When they do not fit each other, or ask for a network far beyond what this program is for.
    """

    widths: Annotated[tuple[_Width, ...], Field(min_length=2, max_length=6)] = (48, 64, 128)
    blocks: Annotated[tuple[_Blocks, ...], Field(max_length=6)] = (1, 1, 2)
    up_blocks: Annotated[tuple[_Blocks, ...], Field(max_length=6)] = (1, 1)
    channels: Annotated[tuple[_Channel, ...], Field(min_length=1, max_length=64)] = (FOREGROUND, DISTANCE)

    def __post_init__(self) -> None:
        if not len(self.widths) == len(self.blocks) == len(self.up_blocks) + 1:
            raise ValueError("should have as many blocks as widths, and one up-block fewer")
        if len(set(self.channels)) < len(self.channels):
            raise ValueError("should have channels of different names")
        if (parameters := sum(map(prod, self.shapes().values()))) > _MOST_PARAMETERS:
            raise ValueError(f"should have {_MOST_PARAMETERS:,} parameters at most, not {parameters:,}")

    @property
    def stride(self) -> int:
        """Input pixels per feature of the coarsest level: images are cut and padded to multiples of it."""
        return FOLD << (len(self.widths) - 1)

    @property
    def radius(self) -> int:
        """Radius in input pixels that an output pixel depends on, wherever it lies in its block of ``stride``."""
        return max(
            max(pixel - first, last - pixel) for pixel in range(self.stride) for first, last in [self._seen(pixel)]
        )

    @property
    def up_radius(self) -> int:
        """How far in input pixels the way up looks in what the way down has left it."""
        return sum(2 * blocks * (FOLD << level) for level, blocks in enumerate(self.up_blocks))

    def _seen(self, pixel: int) -> tuple[int, int]:
        """First and last input pixel along an axis that the output at a pixel depends on, by the longest way."""
        first = last = pixel // FOLD
        for blocks in self.up_blocks:
            first, last = (first - 2 * blocks) // 2, (last + 2 * blocks) // 2
        for level in range(len(self.widths) - 1, -1, -1):
            first, last = first - 2 * self.blocks[level], last + 2 * self.blocks[level]
            # A convolution of 3 x 3: of stride 2 between the levels, of stride 1 at the stem.
            step = 2 if level else 1
            first, last = step * first - 1, step * last + 1
        return FOLD * first, FOLD * last + FOLD - 1

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of all tensors, as the torch module names them."""
        return dict(self._shapes())

    def _shapes(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        yield from _convolution("stem", 3 * FOLD**2, self.widths[0])
        for level, (width, blocks) in enumerate(zip(self.widths, self.blocks, strict=True)):
            if level:
                yield from _convolution(f"down.{level}.0", self.widths[level - 1], width)
            for block in range(blocks):
                yield from _residual(f"down.{level}.{block + (level > 0)}", width)
        for level, (width, blocks) in enumerate(zip(self.widths, self.up_blocks, strict=False)):
            yield f"lateral.{level}.weight", (width, self.widths[level + 1], 1, 1)
            yield f"lateral.{level}.bias", (width,)
            for block in range(blocks):
                yield from _residual(f"up.{level}.{block}", width)
        outputs = len(self.channels) * (FOLD * UPSAMPLING) ** 2
        yield "head.weight", (outputs, self.widths[0], 1, 1)
        yield "head.bias", (outputs,)


def _residual(name: str, width: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield from _convolution(f"{name}.first", width, width)
    yield from _convolution(f"{name}.second", width, width)


def _convolution(name: str, inputs: int, outputs: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Name a convolution of 3 x 3 and the batch normalization (Ioffe and Szegedy 2015) after it."""
    yield f"{name}.0.weight", (outputs, inputs, 3, 3)
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield f"{name}.1.{part}", (outputs,)
