"""JPEG streams: what their headers say, and decoding that notices damage.

A JPEG holds no checksum. Damage shows where the decoder warns (codes that don't exist, data that end early or are left
over), and where tables or descriptions of components can't be right; all of it is an error here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.errors import SlideRejectedError
from pathopipe.slide.backend import RGB, DecodeError
from pathopipe.slide.jpeg_jumps import has_jump
from pathopipe.slide.jpeg_tables import tables_can_be

SOI: Final = b"\xff\xd8"
_EOI: Final = b"\xff\xd9"
_SCAN: Final = b"\xff\xda"
_LAST: Final = {_SCAN, _EOI}  # the scan, and the end of a stream of tables alone
_FILLING: Final = {0x00, 0xFF}  # 0xff is allowed between segments, and some writers leave zeros
_WITHOUT_LENGTH: Final = {0x01, *range(0xD0, 0xD8)}
_FRAMES: Final = {0xC0, 0xC1, 0xC2}  # baseline, extended, progressive
_OTHER_FRAMES: Final = set(range(0xC3, 0xD0)) - {0xC4, 0xC8, 0xCC}
_COLORS: Final = {0xE0, 0xEE}  # the markers of JFIF and Adobe, which say what the components mean
_ADOBE: Final = b"\xff\xee\x00\x0eAdobe\x00\x64\0\0\0\0"
_UNSUPPORTED: Final = ("Unsupported", "not supported", "arithmetic")
_PADDED: Final = "before marker 0xd9"

_STEADY: Final = 4
_TOGETHER: Final = 0.3
_BLOCK: Final = 8


@dataclass(frozen=True)
class Frame:
    """What a stream's frame header says: size in pixels, components, and the pixels in height of a row of blocks."""

    width: int
    height: int
    components: int
    unit: int


def segments_of(data: bytes) -> tuple[list[tuple[int, bytes]], int]:
    """Return the marker segments before the first scan, each as marker and bytes, and where the scan starts.

    Raises
    ------
    DecodeError
        When the stream is damaged before its first scan, as far as that can be told.
    SlideRejectedError
        When it is a JPEG of a kind that is not read: lossless, arithmetic, of more than 8 bits.
    """
    found = data.find(_SCAN)
    if found >= 0 and (segments := _before_scan(data[: found + 4])) is not None:
        return list(segments), found
    walked, scan = _walk(data)
    _check(walked)
    return walked, scan


@lru_cache(maxsize=64)
def _before_scan(header: bytes) -> tuple[tuple[int, bytes], ...] | None:
    """Segments of a stream up to a scan's marker and length; None if that is not what these bytes are.

    The pieces of an image begin alike.
    """
    segments, scan = _walk(header)
    if scan != len(header) - 4:
        return None
    _check(segments)
    return tuple(segments)


def _walk(data: bytes) -> tuple[list[tuple[int, bytes]], int]:
    """Marker segments before the first scan, and where the scan starts."""
    if data[:2] != SOI:
        raise DecodeError("a piece is not a JPEG")
    segments, at = list[tuple[int, bytes]](), 2
    while at + 4 <= len(data) and data[at : at + 2] not in _LAST:
        if data[at] != 0xFF or data[at + 1] in _FILLING:
            if data[at] not in _FILLING:
                raise DecodeError("the header of a JPEG is damaged")
            at += 1
            continue
        marker = data[at + 1]
        length = 0 if marker in _WITHOUT_LENGTH else int.from_bytes(data[at + 2 : at + 4])
        segments.append((marker, data[at : at + 2 + length]))
        at += 2 + length
    return segments, at


def complete(data: bytes, head: bytes | None = None) -> tuple[bytes, Frame]:
    """Return a stream that can be decoded by itself, without filling between its segments, and what its header says.

    Parameters
    ----------
    head
        What all pieces of an image share (`head_of`): comes first, and what the piece says about colors is left out.

    Raises
    ------
    DecodeError, SlideRejectedError
        As for `segments_of`, and when the end is missing.
    """
    segments, scan = segments_of(data)
    if data.rfind(_EOI, scan) < 0:
        raise DecodeError("a JPEG lacks its end")
    kept = [segment for marker, segment in segments if head is None or marker not in _COLORS]
    return b"".join([head or SOI, *kept, data[scan:]]), _frame(segments)


def head_of(tables: bytes | None, ycc: bool) -> bytes:
    """What pieces of an image begin with: what their components mean, and the tables that they share."""
    segments, _ = segments_of(tables or SOI)
    kept = [segment for marker, segment in segments if marker not in _COLORS]
    return b"".join([SOI, _ADOBE, bytes([ycc]), *kept])


def decode(stream: bytes, frame: Frame, scale: int = 1, inside: tuple[int, int] | None = None) -> RGB:
    """Decode a complete stream of three components, ``scale`` times smaller.

    Parameters
    ----------
    frame
        What `complete` found in its header.
    inside
        Width and height in pixels of the part that is not padding; default: all of it.

    Raises
    ------
    DecodeError
        When it is damaged, as far as that can be told.
    SlideRejectedError
        When it is a JPEG of a kind that is not read.
    """
    width, height = -(-frame.width // scale), -(-frame.height // scale)
    try:
        decoded = _decode(stream, width, height)
    except ValueError as error:
        if any(word in str(error) for word in _UNSUPPORTED):
            raise _unsupported(str(error)) from error
        raise DecodeError(f"a JPEG cannot be decoded ({error})") from error
    if decoded.shape != (height, width, 3):
        raise DecodeError("a JPEG has a different size than its header states")
    filled_w, filled_h = inside or (frame.width, frame.height)
    if has_jump(decoded[: filled_h // scale, : filled_w // scale], frame.unit // scale):
        raise DecodeError("the colors of a JPEG jump where a block begins")
    return decoded


def _decode(stream: bytes, width: int, height: int) -> RGB:
    import simplejpeg

    strictly = partial(
        simplejpeg.decode_jpeg, colorspace="RGB", min_width=width, min_height=height, min_factor=1, strict=True
    )
    try:
        return np.asarray(strictly(stream), np.uint8)
    except ValueError as error:
        end = stream.rfind(_EOI)
        filled = stream[:end].rstrip(b"\0\xff")
        # Filling between data and end is harmless, and distinguished from damage by decoding without it.
        if _PADDED not in str(error) or len(filled) == end:
            raise
        return np.asarray(strictly(filled + _EOI), np.uint8)


def stored_as_ycc(samples: Sequence[RGB], stated: bool) -> bool:
    """Whether components are luma and chroma rather than red, green and blue.

    Files state the one and hold the other (libdicom issue 80, libvips issue 4669 and their like). Chroma is near its
    middle on glass, and varies less than luma in most stains; red, green and blue are all bright on glass, and rise and
    fall together.

    Parameters
    ----------
    samples
        Pieces of the image of shape (height, width, 3), components as stored.
    stated
        What the file states: holds unless all signs are against it.
    """
    pixels = np.concatenate([piece.reshape(-1, 3) for piece in samples] or [np.empty((0, 3), np.uint8)]).astype(float)
    signs = [sign for sign in (_glass_sign(pixels), _spread_sign(pixels)) if sign is not None]
    return signs[0] if signs and len(set(signs)) == 1 else stated


def _glass_sign(pixels: NDArray[np.float64]) -> bool | None:
    """What the bright pixels say: chroma, red green and blue, or nothing."""
    bright = pixels[pixels[:, 0] > 200, 1:]
    if len(bright) <= len(pixels) / 100:
        return None
    middle = np.median(bright, axis=0)
    if np.abs(middle - 128).max() < 25:
        # Green and blue of red tissue may be so, too, but not alike in all of it, and they follow its red.
        steady = np.median(np.abs(bright - middle), axis=0).max() < _STEADY
        return True if steady or not _rise_together(pixels) else None
    return False if middle.min() > 180 else None


def _spread_sign(pixels: NDArray[np.float64]) -> bool | None:
    """What the spread of the components says."""
    spread = pixels.std(axis=0) if len(pixels) else np.zeros(3)
    if spread[0] < 8:
        return None
    if spread[1:].max() < 0.5 * spread[0] and np.abs(pixels[:, 1:].mean(axis=0) - 128).max() < 48:
        return True
    # Of two stains without glass, such as brown and blue, chroma may vary as much, but not together with luma.
    return False if spread[1:].max() > 0.7 * spread[0] and _rise_together(pixels) else None


def _rise_together(pixels: NDArray[np.float64]) -> bool:
    return bool(pixels.std(axis=0).min() > 0 and np.corrcoef(pixels.T).min() > _TOGETHER)


def to_rgb(ycc: RGB) -> RGB:
    """Turn luma and chroma (H, W, 3) of JFIF into red, green and blue, in whole numbers as libjpeg does."""
    luma, blue, red = (ycc[..., channel].astype(np.int32) for channel in range(3))
    blue, red = blue - 128, red - 128
    half = 1 << 15
    colors = (91_881 * red + half, -22_554 * blue - 46_802 * red + half, 116_130 * blue + half)
    return np.stack([np.clip(luma + (color >> 16), 0, 255) for color in colors], axis=-1).astype(np.uint8)


def _frame(segments: list[tuple[int, bytes]]) -> Frame:
    frames = [segment for marker, segment in segments if marker in _FRAMES]
    if len(frames) != 1 or len(frames[0]) < 10 or len(frames[0]) != 10 + 3 * frames[0][9]:
        raise DecodeError("a JPEG has no frame header, or a damaged one")
    frame = frames[0]
    if frame[4] != 8:
        raise _unsupported(f"of {frame[4]} bits per sample")
    parts = [frame[at : at + 3] for at in range(10, len(frame), 3)]
    # The second and third component are alike in all that encoders write: a difference is a damaged byte.
    if len({part[0] for part in parts}) < len(parts) or (len(parts) == 3 and parts[1][1:] != parts[2][1:]):
        raise DecodeError("the components of a JPEG are described in a way that cannot be")
    unit = _BLOCK * max(part[1] & 15 for part in parts)
    return Frame(int.from_bytes(frame[7:9]), int.from_bytes(frame[5:7]), len(parts), unit)


def _check(segments: list[tuple[int, bytes]]) -> None:
    """Notice kinds that are not read, and damage of tables at which a decoder does not stop."""
    odd = [marker for marker, _ in segments if marker in _OTHER_FRAMES]
    if odd and not any(marker in _FRAMES for marker, _ in segments):
        raise _unsupported(f"of process {odd[0] - 0xC0}")
    for marker, segment in segments:
        if not tables_can_be(marker, segment[4:]):
            raise DecodeError("a table of a JPEG is damaged")


def _unsupported(kind: str) -> SlideRejectedError:
    return SlideRejectedError(
        f"the file holds a JPEG of a kind that is not supported ({kind}): export it as 8-bit baseline JPEG"
    )
