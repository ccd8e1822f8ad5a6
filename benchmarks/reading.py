"""Reading a slide at half its resolution: scaled decoding of its JPEG tiles beside OpenSlide and resampling.

    python benchmarks/reading.py [SLIDE]

Prints megapixels of level 0 per second of one thread, the best of several runs in turns, and ratios. Without a slide,
a synthetic one is made.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2

from pathopipe.slide import Slide, open_slide
from pathopipe.slide.openslide_backend import OpenSlideBackend
from pathopipe.slide.pieces import JpegPieces
from pathopipe.slide.tiled_backend import TiledBackend
from pathopipe.synthetic import Scene, write_slide

MPP = (0.25, 0.25)
WINDOW = 1024
FACTOR = 2


class LevelZero(OpenSlideBackend):
    """OpenSlide without the smaller levels: everything is resampled from level 0."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.levels = self.levels[:1]


def read_all(slide: Slide) -> None:
    grid = slide.grid(FACTOR * MPP[0])
    for _ in slide.windows(grid, WINDOW):
        pass


def by_openslide(path: Path) -> float:
    with Slide(path, LevelZero(path), MPP) as slide:
        return seconds(lambda: read_all(slide))


def by_scaled_tiles(path: Path) -> float:
    with open_slide(path, MPP) as slide:
        return seconds(lambda: read_all(slide))


def by_raw_decoding(path: Path) -> float:
    """Decode each tile once and put nothing together."""
    with open_slide(path, MPP) as slide, path.open("rb") as file:
        pieces = pieces_of(slide)
        places = [(column, row) for row in range(pieces.layout.down) for column in range(pieces.layout.across)]
        return seconds(lambda: [pieces.decode(file.fileno(), *place, FACTOR) for place in places])


def pieces_of(slide: Slide) -> JpegPieces:
    pieces = slide.backend._stored[0].pieces if isinstance(slide.backend, TiledBackend) else None
    if not isinstance(pieces, JpegPieces) or not pieces.scales:
        raise SystemExit("level 0 of this slide does not consist of JPEG tiles that can be scaled")
    return pieces


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(path: Path, runs: int) -> None:
    with open_slide(path, MPP) as slide:
        pieces_of(slide)
        megapixels = slide.width_px * slide.height_px / 1e6
        print(f"{slide.width_px} x {slide.height_px} pixels, {slide.backend.format}, read at 1/{FACTOR} of the size")
    ways = {"OpenSlide, resampled": by_openslide, "scaled reader": by_scaled_tiles, "scaled decoding": by_raw_decoding}
    warm_up(path)
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(runs):
        for name, way in ways.items():
            times[name].append(way(path))
    speeds = {name: megapixels / min(values) for name, values in times.items()}
    for name, speed in speeds.items():
        print(f"{name:22} {speed:7.1f} megapixels/s")
    slow, fast, _ = speeds.values()
    print(f"ratio of the scaled reader to OpenSlide and resampling: {fast / slow:.1f}")


def warm_up(path: Path) -> None:
    """Let the resampling compile and the files come into memory."""
    for _ in range(2):
        by_openslide(path)
        by_scaled_tiles(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("slide", type=Path, nargs="?")
    parser.add_argument("--runs", type=int, default=7)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    if given.slide:
        measure(given.slide, given.runs)
        return
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "slide.tiff"
        write_slide(Scene(4096, 4096, mpp=MPP[0], seed=1), path, levels=1)
        measure(path, given.runs)


if __name__ == "__main__":
    main()
