"""The pieces (tiles or strips) that a level is stored in, and decoding one of them."""

import os
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from pathopipe.slide import jpeg
from pathopipe.slide.backend import RGB, DecodeError

SCALES: Final = (2, 4, 8)
"""How many times smaller the decoder of JPEG can make a piece.

It leaves out the higher frequencies of each block of 8 x 8 pixels, which costs less than decoding them and averaging.
A scaled block covers exactly the pixels that it was made of, so nothing is shifted.
"""
_SAMPLED: Final = 4
_JPEG2000: Final = b"\xff\x4f\xff\x51"
_LOST: Final = bytes(128)
"""As a disk or a copy leaves them; the decoder of JPEG 2000 goes on over them, and its coder writes none."""

Places = NDArray[np.int64]
Decode = Callable[[bytes, int], NDArray[Any]]


class Pieces(Protocol):
    """A level as a grid of pieces of one size, the last of a row and column cut off or padded."""

    layout: "Layout"
    scales: tuple[int, ...]
    """At which fractions of its size a piece can be decoded, besides its size."""

    def decode(self, file: int, column: int, row: int, scale: int) -> RGB:
        """Decode a piece of an open file; one that the writer left out is white.

        Returns
        -------
        RGB of shape (piece_h / scale, piece_w / scale, 3), at the level's right and lower border possibly smaller.

        Raises
        ------
        DecodeError
            When it is damaged, as far as that can be told, or the file ends before it does.
        SlideRejectedError
            When it is compressed in a way that is not read.
        """


class Layout:
    """Where the pieces of a level lie in a file, row by row.

    Attributes
    ----------
    width, height
        Of the level in pixels.
    offsets, lengths
        In bytes; a length of 0 means that the writer left the piece out.
    """

    def __init__(
        self,
        size: tuple[int, int],
        piece: tuple[int, int],
        offsets: Sequence[int] | Places,
        lengths: Sequence[int] | Places,
    ) -> None:
        self.width, self.height = (int(side) for side in size)
        self.piece_w, self.piece_h = (int(side) for side in piece)
        self.offsets, self.lengths = np.array(offsets, np.int64), np.array(lengths, np.int64)

    @property
    def across(self) -> int:
        """Pieces in a row."""
        return -(-self.width // self.piece_w)

    @property
    def down(self) -> int:
        """Pieces in a column."""
        return -(-self.height // self.piece_h)

    def number(self, column: int, row: int) -> int:
        """Place of a piece in ``offsets`` and ``lengths``."""
        return row * self.across + column

    def inside(self, column: int, row: int) -> tuple[int, int]:
        """Width and height in pixels of what of a piece lies within the level."""
        return (
            min(self.piece_w, self.width - column * self.piece_w),
            min(self.piece_h, self.height - row * self.piece_h),
        )

    def is_blank(self, x: range, y: range, scale: int) -> bool:
        """Whether a rectangle of the level made ``scale`` times smaller touches only pieces that were left out."""
        return not self._touched(x, y, scale).any()

    def is_whole(self, x: range, y: range) -> bool:
        """Whether a rectangle of the level touches no piece that was left out."""
        return bool(self._touched(x, y, 1).all())

    def _touched(self, x: range, y: range, scale: int) -> Places:
        """Lengths of the pieces that a rectangle touches."""
        columns = slice(x.start * scale // self.piece_w, (x.stop * scale - 1) // self.piece_w + 1)
        rows = slice(y.start * scale // self.piece_h, (y.stop * scale - 1) // self.piece_h + 1)
        return self.lengths[: self.across * self.down].reshape(self.down, self.across)[rows, columns]

    def bytes_of(self, file: int, number: int) -> bytes:
        """Read a piece as it is stored.

        Raises
        ------
        DecodeError
            When the file ends before it does.
        """
        offset, length = int(self.offsets[number]), int(self.lengths[number])
        # Asked before: a damaged length may be more than there is memory.
        data = os.pread(file, length, offset) if offset + length <= os.fstat(file).st_size else b""
        if len(data) < length:
            raise DecodeError("the file ends early")
        return data

    def white(self, scale: int) -> RGB:
        """A piece that was left out."""
        return np.full((self.piece_h // scale, self.piece_w // scale, 3), 255, np.uint8)

    def spread(self) -> list[int]:
        """Numbers of a few pieces that are there, spread over the level."""
        there = np.flatnonzero(self.lengths)
        return [int(there[len(there) * (2 * part + 1) // (2 * _SAMPLED)]) for part in range(_SAMPLED) if len(there)]


class JpegPieces:
    """Pieces that are JPEG streams of three components."""

    def __init__(self, layout: Layout, file: int, tables: bytes | None, stated_ycc: bool) -> None:
        self.layout = layout
        even = layout.piece_w % 16 == layout.piece_h % 16 == 0
        self.scales: tuple[int, ...] = SCALES if even else ()
        self._head = jpeg.head_of(tables, ycc=False)
        self._head = jpeg.head_of(tables, jpeg.stored_as_ycc(list(self._samples(file)), stated_ycc))

    def _samples(self, file: int) -> Sequence[RGB]:
        found = []
        for number in self.layout.spread():
            row, column = divmod(number, self.layout.across)
            try:
                found.append(self.decode(file, column, row, SCALES[-1] if self.scales else 1))
            except DecodeError:
                continue
        return found

    def decode(self, file: int, column: int, row: int, scale: int) -> RGB:
        """Decode a piece."""
        number = self.layout.number(column, row)
        if not self.layout.lengths[number]:
            return self.layout.white(scale)
        stream, frame = jpeg.complete(self.layout.bytes_of(file, number), self._head)
        least_w, least_h = self.layout.inside(column, row)
        if not (
            least_w <= frame.width <= self.layout.piece_w
            and least_h <= frame.height <= self.layout.piece_h
            and frame.components == 3
        ):
            raise DecodeError(f"a tile has {frame.components} components of {frame.width} x {frame.height} pixels")
        return jpeg.decode(stream, frame, scale, (least_w, least_h))


class CodedPieces:
    """Pieces in any other compression.

    Parameters
    ----------
    decoder
        Turns the bytes of a piece and its number into pixels of shape (height, width, samples).
    planes
        Pieces that make up one place, one per sample; all of the first plane come first.
    to_rgb
        Turns the samples of a piece into red, green and blue.
    """

    scales: tuple[int, ...] = ()

    def __init__(self, layout: Layout, decoder: Decode, planes: int, to_rgb: Callable[[NDArray[Any]], RGB]) -> None:
        self.layout = layout
        self._decoder, self._planes, self._to_rgb = decoder, planes, to_rgb

    def decode(self, file: int, column: int, row: int, scale: int) -> RGB:  # noqa: ARG002 (there is one scale)
        """Decode a piece."""
        number, step = self.layout.number(column, row), self.layout.across * self.layout.down
        if not self.layout.lengths[number]:
            return self.layout.white(1)
        planes = [self._plane(file, number + plane * step) for plane in range(self._planes)]
        pixels = planes[0] if len(planes) == 1 else np.concatenate(planes, axis=2)
        least_w, least_h = self.layout.inside(column, row)
        if pixels.ndim != 3 or pixels.shape[0] < least_h or pixels.shape[1] < least_w or pixels.dtype != np.uint8:
            raise DecodeError(f"a tile has pixels of shape {pixels.shape} and type {pixels.dtype}")
        return self._to_rgb(pixels)

    def _plane(self, file: int, number: int) -> NDArray[Any]:
        data = self.layout.bytes_of(file, number)
        if data.startswith(_JPEG2000) and _LOST in data:
            raise DecodeError("a part of a JPEG 2000 is zero")
        return self._decoder(data, number)
