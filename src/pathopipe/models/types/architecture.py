"""The shape of the networks that describe nuclei, known without loading a library that runs them.

The encoder is the first half of EfficientNet-Lite0 (Tan and Le 2019, in the variant without squeeze-and-excitation), so
that what was learned from photographs can be used. A decoder brings what it sees at 16, 8 and 4 pixels together (Lin et
al. 2017) and describes each place of ``STRIDE_OUT`` pixels by `DESCRIBED` numbers. Batch normalizations are put into
the convolutions before they are saved.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import Field
from pydantic.dataclasses import dataclass as checked_dataclass

from pathopipe.models.architecture import CHECKED
from pathopipe.ops.nucleus_types import TYPES

STEM: Final = 32
DESCRIBED: Final = 64
"""Numbers that describe a place."""
STRIDE: Final = 16
"""Images are cut and padded to multiples of it."""
STRIDE_OUT: Final = 4
"""Input pixels per place, along each axis."""
WIDTHS: Final = {4: 64, 8: 80, 16: 96}
"""Channels of the decoder, by input pixels per feature."""


@dataclass(frozen=True)
class Block:
    """An inverted residual block (Sandler et al. 2018): widen, a convolution per channel, narrow."""

    name: str
    inputs: int
    outputs: int
    kernel: int
    stride: int
    times: int

    @property
    def wide(self) -> int:
        """Channels between widening and narrowing."""
        return self.inputs * self.times

    @property
    def is_residual(self) -> bool:
        """Whether its input is added to its output."""
        return self.stride == 1 and self.inputs == self.outputs


# Channels, kernel, stride, expansion and number of blocks of each group.
_GROUPS: Final = ((16, 3, 1, 1, 1), (24, 3, 2, 6, 2), (40, 5, 2, 6, 2), (80, 3, 2, 6, 3))


def _blocks() -> Iterator[Block]:
    number, inputs = 0, STEM
    for outputs, kernel, stride, times, count in _GROUPS:
        for place in range(count):
            yield Block(f"block.{number}", inputs, outputs, kernel, stride if place == 0 else 1, times)
            number, inputs = number + 1, outputs


BLOCKS: Final = tuple(_blocks())
TAPS: Final = {4: BLOCKS[2], 8: BLOCKS[4], 16: BLOCKS[7]}
"""The blocks whose output the decoder takes, by input pixels per feature."""


def _radius() -> int:
    """Radius in input pixels that a place depends on, wherever it lies in its block of `STRIDE`, at most."""
    reach, step = 1, 2  # the stem: a convolution of 3 x 3 and stride 2
    for block in BLOCKS:
        reach, step = reach + step * (block.kernel // 2), step * block.stride
    # Two convolutions of 3 x 3 at each level of the decoder, and one that describes; then interpolation.
    reach += 2 * sum(WIDTHS) + STRIDE_OUT + STRIDE_OUT
    return reach + STRIDE  # places of a coarse level stand for those of a fine one that lie anywhere in them


RADIUS: Final = _radius()


@checked_dataclass(frozen=True, config=CHECKED)
class TypeArchitecture:
    """Shape of a network and of the rule on top.

    Attributes
    ----------
    classes
        The types that it tells apart, in the order of `TYPES`.

    Raises
    ------
    ValueError
        When they are not types, or not in order.
    """

    classes: Annotated[tuple[str, ...], Field(min_length=2, max_length=len(TYPES))]

    def __post_init__(self) -> None:
        if self.classes != tuple(name for name in TYPES if name in self.classes):
            raise ValueError(f"should have classes among {', '.join(TYPES)}, in this order")

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of all tensors."""
        return dict(self._shapes())

    def _shapes(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        yield from _convolution("stem", STEM, 3, 3)
        for block in BLOCKS:
            if block.times > 1:
                yield from _convolution(f"{block.name}.expand", block.wide, block.inputs, 1)
            yield from _convolution(f"{block.name}.depth", block.wide, 1, block.kernel)
            yield from _convolution(f"{block.name}.project", block.outputs, block.wide, 1)
        for level, width in WIDTHS.items():
            yield from _convolution(f"skip.{level}", width, TAPS[level].outputs, 1)
            yield from _convolution(f"up.{level}.first", width, width, 3)
            yield from _convolution(f"up.{level}.second", width, width, 3)
            if level * 2 in WIDTHS:
                yield from _convolution(f"lateral.{level}", width, WIDTHS[level * 2], 1)
        yield from _convolution("describe", DESCRIBED, WIDTHS[STRIDE_OUT], 3)
        yield "rule.weight", (len(self.classes), DESCRIBED)
        yield "rule.bias", (len(self.classes),)
        yield "known.mean", (DESCRIBED,)
        yield "known.whiten", (DESCRIBED, DESCRIBED)


def _convolution(name: str, outputs: int, inputs: int, kernel: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (outputs, inputs, kernel, kernel)
    yield f"{name}.bias", (outputs,)
