"""Arrays packed for a browser: bytes of one significance together, deflated, as text in a data script."""

import base64
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_LEVEL: Final = 6
_TAG: Final = '<script type="application/octet-stream" id="{name}">'
_END: Final = "</script>\n"


@dataclass(frozen=True)
class Block:
    """A piece of data that the page holds until somebody looks at it, under a name that no other has."""

    name: str
    data: bytes

    @property
    def size(self) -> int:
        """Bytes that it takes in the page."""
        return len(_TAG.format(name=self.name)) + 4 * -(-len(self.data) // 3) + len(_END)


def scripts(blocks: Iterable[Block]) -> bytes:
    """Write blocks as data scripts, which a browser keeps as text and doesn't run."""
    lines = (_TAG.format(name=block.name).encode() + base64.b64encode(block.data) + _END.encode() for block in blocks)
    return b"".join(lines)


def packed(columns: Sequence[NDArray[Any]]) -> bytes:
    """Deflate columns of unsigned integers (uint8, uint16, uint32), the low bytes of each first, then the higher ones.

    The high bytes are mostly zeros, which take no room.
    """
    return zlib.compress(b"".join(map(_planes, columns)), _LEVEL)


def _planes(column: NDArray[Any]) -> bytes:
    width = column.dtype.itemsize
    low_first = np.ascontiguousarray(column, column.dtype.newbyteorder("<")).view(np.uint8)
    return low_first.reshape(-1, width).T.tobytes()


def zigzag(values: NDArray[np.integer[Any]]) -> NDArray[np.uint16]:
    """Write whole numbers from -32768 to 32767 without a sign: 0, -1, 1, -2 and so on become 0, 1, 2, 3."""
    signed = np.asarray(values, np.int64)
    return ((signed << 1) ^ (signed >> 63)).astype(np.uint16)


def steps(values: NDArray[np.integer[Any]]) -> NDArray[np.uint32]:
    """Write ascending numbers (N,) as the first one, and how much each is more than the one before."""
    return np.diff(np.asarray(values, np.int64), prepend=0).astype(np.uint32)
