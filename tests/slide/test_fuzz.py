"""Damaged files against intact ones, pixel by pixel: read right, or what differs is counted as damage, or rejected.

What a decoder can't notice, and a look at the pixels doesn't either, is bounded: `MOST_UNNOTICED` of the mutants, each
with few wrong pixels (docs/formats.md says which they are).
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from pathopipe.errors import SlideRejectedError
from pathopipe.slide import open_slide
from pathopipe.slide.backend import MAX_DAMAGED_SHARE, PIECE, RGB
from pathopipe.slide.slide import Slide
from tests.slide import dicom
from tests.slide.files import tissue, write_ome, write_svs

SIDE = 384
MUTANTS = 8
MOST_UNNOTICED = 0.01
MOST_WRONG = 0.05
CLEARLY = 24
"""Gray levels by which a pixel is wrong."""
TOLERATED = 0.0025
"""Share of wrong pixels that counts as right: a flipped bit of a code changes one block."""
GRAIN = np.random.default_rng(0).normal(0, 5, (SIDE, SIDE, 3))
IMAGE = np.clip(tissue(SIDE, SIDE) + GRAIN, 0, 255).astype(np.uint8)
TILES = {"tile": (128, 128), "photometric": "rgb", "metadata": None, "compression": "jpeg"}


def write_dicom(path: Path) -> None:
    dicom.write(path, dicom.instance(IMAGE, tile=128))


FORMATS: dict[str, Callable[[Path], None]] = {
    "png": lambda path: Image.fromarray(IMAGE).save(path, "PNG"),
    "jpeg": lambda path: Image.fromarray(IMAGE).save(path, "JPEG", quality=90),
    "svs": lambda path: write_svs(path, IMAGE, compression="jpeg", tile=(128, 128)),
    "ome": lambda path: write_ome(path, IMAGE, (2,), compression="jpeg"),
    "tiff": lambda path: tifffile.imwrite(path, IMAGE, **TILES),
    "dicom": write_dicom,
}
Rng = np.random.Generator


def flip(content: bytearray, rng: Rng) -> None:
    content[int(rng.integers(len(content) // 50, len(content)))] ^= 1 << int(rng.integers(8))


def flips(content: bytearray, rng: Rng) -> None:
    for _ in range(20):
        flip(content, rng)


def flip_in_header(content: bytearray, rng: Rng) -> None:
    content[int(rng.integers(8, 700))] ^= 1 << int(rng.integers(8))


def flip_at_end(content: bytearray, rng: Rng) -> None:
    content[-int(rng.integers(1, 1500))] ^= 1 << int(rng.integers(8))


def zeros(content: bytearray, rng: Rng) -> None:
    overwrite(content, rng, bytes(int(rng.integers(16, 2000))))


def ones(content: bytearray, rng: Rng) -> None:
    overwrite(content, rng, b"\xff" * int(rng.integers(16, 400)))


def overwrite(content: bytearray, rng: Rng, data: bytes) -> None:
    at = int(rng.integers(len(content) // 50, len(content) - len(data)))
    content[at : at + len(data)] = data


def cut_off(content: bytearray, rng: Rng) -> None:
    del content[int(len(content) * rng.uniform(0.2, 0.99)) :]


def swap(content: bytearray, rng: Rng) -> None:
    length, half = int(rng.integers(100, 2000)), len(content) // 2
    first, second = int(rng.integers(half // 8, half - length)), int(rng.integers(half, len(content) - length))
    one = bytes(content[first : first + length])
    content[first : first + length] = content[second : second + length]
    content[second : second + length] = one


def repeat(content: bytearray, rng: Rng) -> None:
    at, length = int(rng.integers(len(content) // 10, len(content) // 2)), int(rng.integers(10, 500))
    content[at:at] = content[at : at + length]


def in_segment(marker: bytes, length: int) -> Callable[[bytearray, Rng], None]:
    """Change a byte of a table or header of a JPEG."""

    def change(content: bytearray, rng: Rng) -> None:
        places = [at for at in range(len(content) - 4) if content[at : at + 2] == marker]
        if places:
            at = places[int(rng.integers(len(places)))] + 4 + int(rng.integers(length))
            content[at] = 0 if rng.random() < 0.3 else content[at] ^ 1 << int(rng.integers(8))

    return change


def halved_lengths(content: bytearray, rng: Rng) -> None:
    """Halve the number of bytes that the directory of a TIFF states for one piece, wherever it stands."""
    for at in rng.permutation(len(content) - 4)[:4000]:
        number = int.from_bytes(content[at : at + 4], "little")
        if 1000 < number < 60_000 and content[at + 4 : at + 8] != bytes(4):
            content[at : at + 4] = (number // 2).to_bytes(4, "little")
            return


KINDS: dict[str, Callable[[bytearray, Rng], None]] = {
    "flip": flip,
    "flips": flips,
    "flip in header": flip_in_header,
    "flip at end": flip_at_end,
    "zeros": zeros,
    "ones": ones,
    "cut off": cut_off,
    "swap": swap,
    "repeat": repeat,
    "quantization": in_segment(b"\xff\xdb", 65),
    "codes": in_segment(b"\xff\xc4", 40),
    "frame": in_segment(b"\xff\xc0", 15),
    "halved lengths": halved_lengths,
}


def pixels_of(slide: Slide) -> RGB:
    return slide.read(slide.grid(0.5), 0, 0, slide.width_px, slide.height_px)


def wrong_share(path: Path, expected: RGB) -> float:
    """Share of the pixels that are clearly wrong and not counted as damage; 1 for another size."""
    with open_slide(path, (0.5, 0.5)) as slide:
        pixels = pixels_of(slide)
        if slide.damaged_px > MAX_DAMAGED_SHARE * slide.width_px * slide.height_px:
            raise SlideRejectedError(str(slide.damage))  # as `tissue` does
        if pixels.shape != expected.shape:
            return 1.0
        wrong = np.abs(pixels.astype(int) - expected).max(axis=2) > CLEARLY
        for level, column, row in slide.damaged:
            side = PIECE * int(slide.backend.levels[level].downsample)
            wrong[row * side : (row + 1) * side, column * side : (column + 1) * side] = False
    return float(wrong.mean())


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[bytes, RGB]]:
    found = {}
    for name, write in FORMATS.items():
        path = tmp_path_factory.mktemp("intact") / name
        write(path)
        with open_slide(path, (0.5, 0.5)) as slide:
            found[name] = path.read_bytes(), pixels_of(slide)
            assert not slide.damaged
        assert np.abs(found[name][1].astype(int) - IMAGE).mean() < 6
    return found


def test_what_is_damaged_is_noticed(intact: dict[str, tuple[bytes, RGB]], tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    looked_at, unnoticed, rejected = 0, dict[str, float](), 0
    for name, (data, expected) in intact.items():
        for kind, damage in KINDS.items():
            for number in range(MUTANTS):
                content = bytearray(data)
                damage(content, rng)
                if content == data:
                    continue
                (tmp_path / "mutant").write_bytes(content)
                looked_at += 1
                try:
                    wrong = wrong_share(tmp_path / "mutant", expected)
                except SlideRejectedError:
                    rejected += 1
                    continue
                if wrong > TOLERATED:
                    unnoticed[f"{name}, {kind}, {number}"] = wrong
    assert looked_at > 400
    assert rejected > looked_at / 10
    assert len(unnoticed) <= MOST_UNNOTICED * looked_at, unnoticed
    assert max(unnoticed.values(), default=0) <= MOST_WRONG, unnoticed
