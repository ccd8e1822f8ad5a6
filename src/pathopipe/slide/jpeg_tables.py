"""Tables of JPEG streams: whether they can be as they are, since no decoder notices most of what damages them."""

import functools
from typing import Final

import numpy as np
from numpy.typing import NDArray

_QUANTIZATION, _HUFFMAN = 0xDB, 0xC4

# Tables of Annex K of the standard (ITU-T T.81, 1992), in the order of the file, which most encoders scale.
_LUMINANCE: Final = """
16 11 12 14 12 10 16 14 13 14 18 17 16 19 24 40 26 24 22 22 24 49 35 37 29 40 58 51 61 60 57 51
56 55 64 72 92 78 64 68 87 69 55 56 80 109 81 87 95 98 103 104 103 62 77 113 121 112 100 120 92 101 103 99
"""
_CHROMINANCE: Final = "17 18 18 24 21 24 47 26 26 47 99 66 56 66 99 99" + 48 * " 99"
_FEW: Final = 2


def tables_can_be(marker: int, content: bytes) -> bool:
    """Whether the tables of a marker segment are possible; True for a segment of another kind.

    Parameters
    ----------
    content
        Of the segment, after its length.
    """
    if marker == _QUANTIZATION:
        return _quantization_can_be(content)
    return marker != _HUFFMAN or _codes_can_be(content)


@functools.lru_cache(maxsize=64)
def _quantization_can_be(content: bytes) -> bool:
    """Whether tables have no zeros, and are not a usual table but for one or two steps."""
    at = 0
    while at < len(content):
        wide = content[at] >> 4
        size = 64 * (1 + wide)
        steps = np.frombuffer(content[at + 1 : at + 1 + size], ">u2" if wide else np.uint8)
        if wide > 1 or content[at] & 15 > 3 or len(steps) != 64 or not steps.all():
            return False
        if 0 < (_usual_tables() != steps).sum(axis=1).min() <= _FEW:
            return False
        at += 1 + size
    return True


@functools.lru_cache(maxsize=64)
def _codes_can_be(content: bytes) -> bool:
    """Whether tables of Huffman codes have no more codes of a length than there are, and each symbol once."""
    at = 0
    while at < len(content):
        counts = content[at + 1 : at + 17]
        symbols = content[at + 17 : at + 17 + sum(counts)]
        used = sum(count << (15 - bits) for bits, count in enumerate(counts))
        if len(counts) < 16 or used > 1 << 16 or content[at] & 15 > 3 or content[at] >> 4 > 1:
            return False
        if len(symbols) < sum(counts) or len(set(symbols)) < len(symbols):
            return False
        at += 17 + len(symbols)
    return True


@functools.cache
def _usual_tables() -> NDArray[np.int64]:
    """The tables (200, 64) that libjpeg makes of Annex K's for the qualities 1 to 100."""
    quality = np.arange(1, 101)
    scale = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)[:, None]
    bases = [np.array(text.split(), int) for text in (_LUMINANCE, _CHROMINANCE)]
    return np.concatenate([np.clip((base * scale + 50) // 100, 1, 255) for base in bases])
