"""Fields of tissue with painted artifacts, and the numbers that a quality map is made of, for recipes/quality.py."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from sheets import Line, nuinsseg

from pathopipe.evaluation.perturbation import compressed
from pathopipe.ops.quality.bins import PIXELS, measure_bins
from pathopipe.ops.quality.surroundings import HALO, describe
from pathopipe.slide import open_slide
from pathopipe.synthetic import Scene, render
from pathopipe.synthetic.artifacts import (
    APERTURES,
    BUBBLE,
    PAINTERS,
    Painting,
    blob,
    defocus,
    equal_blur_um,
)

SIDE = 512
# Standard deviation of what a sound image is blurred by, as the network counts it.
SHARP_UM = 0.4
LABELS = 6


@dataclass(frozen=True)
class Field:
    """An image, uint8 (H, W, 3) at 1 µm per pixel, and where it is from."""

    source: str
    name: str
    rgb: np.ndarray


def load(path: Path, mpp: float, source: str, at: float = 1.0) -> Field:
    """Read an image at 1 µm per pixel, or at another resolution."""
    with open_slide(path, (mpp, mpp)) as slide:
        grid = slide.grid(at)
        return Field(source, path.stem, slide.read(grid, 0, 0, grid.width, grid.height))


def fields(data: Path) -> tuple[list[Field], list[Field]]:
    """Return the fields that are learned from, and those of the same sources that choices are made on."""
    learned, chosen = [], []
    for line, fold in nuinsseg(data / "nuclei"):
        (chosen if fold == 1 else learned).append(load(line.image, 0.25, "nuinsseg"))
    for row in (data / "nuclei/brca_m2c/images.tsv").read_text().splitlines()[1:]:
        image, case, split = row.split("\t")[:3]
        if case not in {"TCGA-A7-A13E", "TCGA-A7-A13F"}:
            found = load(data / f"nuclei/brca_m2c/images/{image}.png", 0.5, "brca_m2c")
            (chosen if split == "val" else learned).append(found)
    for path in sorted((data / "nuclei/tnbc/images").iterdir()):
        (chosen if path.stem[:2] in {"03", "07", "10"} else learned).append(load(path, 0.25, "tnbc"))
    for seed in range(24):
        scene = Scene(1600, 1600, mpp=0.5, seed=seed + 100, pleomorphism=1 + seed % 3)
        rgb = cv2.resize(render(scene, 0, 0, 1600, 1600), (800, 800), interpolation=cv2.INTER_AREA)
        learned.append(Field("synthetic", f"synthetic_{seed}", rgb))
    return learned, chosen


def canvas(field: Field, rng: np.random.Generator, side: int = SIDE) -> np.ndarray:
    """Mirror a field until it fills a square: at a random place, turned and zoomed."""
    zoom = rng.uniform(0.75, 1.35)
    rgb = cv2.resize(field.rgb, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC)
    rgb = np.rot90(rgb, rng.integers(4))
    starts = [int(value) for value in rng.integers(0, 400, 2)]
    index = [mirrored(start, side, size) for start, size in zip(starts, rgb.shape, strict=False)]
    return np.ascontiguousarray(rgb[np.ix_(*index)])


def mirrored(start: int, count: int, size: int) -> np.ndarray:
    """Coordinates from a start on, reflected at both ends."""
    index = np.arange(start, start + count) % (2 * size)
    return np.minimum(index, 2 * size - 1 - index)


def vary(painting: Painting, rng: np.random.Generator) -> None:
    """Change what differs between sound slides: strength of the stain, holes of fat and glass, softness."""
    painting.density = painting.density * np.float32(np.exp(rng.uniform(np.log(0.4), np.log(1.6))))
    if rng.random() < 0.35:
        shape = painting.labels.shape
        holes = np.zeros(shape, np.uint8)
        for _ in range(int(rng.integers(3, 250))):
            place = tuple(int(value) for value in rng.uniform(0, 1, 2) * shape[::-1])
            cv2.circle(holes, place, int(rng.uniform(8, 45)), 1, -1)
        painting.density *= (1 - 0.97 * cv2.GaussianBlur(holes.astype(np.float32), (0, 0), 0.8))[..., None]
    if rng.random() < 0.35:
        glass = blob(painting.labels.shape, rng, rng.uniform(0.1, 0.7), rng.uniform(100, 500))
        painting.density *= (1 - 0.97 * glass)[..., None]
    soft = rng.uniform(0, 0.6)
    painting.density = cv2.GaussianBlur(painting.density, (0, 0), max(0.05, soft))
    if rng.random() < 0.25:
        painting.density += rng.uniform(0, 1) * (painting.density - cv2.GaussianBlur(painting.density, (0, 0), 1.0))


def seen(painting: Painting, rng: np.random.Generator) -> np.ndarray:
    """Return the image as a scanner stores it: white balance, gamma, noise and compression."""
    light = painting.rgb.astype(np.float32) / 255
    light = light ** rng.uniform(0.85, 1.2) * rng.uniform(0.9, 1.04, 3).astype(np.float32)
    light += rng.normal(0, rng.uniform(0, 0.004), light.shape).astype(np.float32)
    rgb = np.clip(np.rint(light * 255), 0, 255).astype(np.uint8)
    return compressed(rgb, int(rng.integers(75, 98))) if rng.random() < 0.3 else rgb


def paint(painting: Painting, kind: str, rng: np.random.Generator) -> None:
    """Paint artifacts of one kind, or none where it is `sound`."""
    if kind == "focus":
        where = blob(painting.labels.shape, rng, rng.uniform(0.3, 1.0), rng.uniform(150, 500))
        aperture = float(rng.choice(APERTURES))
        sigma = np.exp(rng.uniform(np.log(0.5), np.log(6)))
        defocus(painting, where, sigma / equal_blur_um(1.0, aperture), aperture)
    elif kind != "sound":
        for _ in range(int(rng.integers(1, 4))):
            PAINTERS[kind](painting, rng)


def features(rgb: np.ndarray) -> np.ndarray:
    """Describe the bins of an image of 1 µm per pixel: float32 (F, H, W); mirrored beyond its border."""
    rows, columns = (mirrored(-PIXELS, side + 2 * PIXELS, side) for side in rgb.shape[:2])
    bins = measure_bins(np.ascontiguousarray(rgb[np.ix_(rows, columns)]))
    return describe(np.pad(bins, ((HALO, HALO), (HALO, HALO), (0, 0)), mode="symmetric"))


def truth(painting: Painting) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return per bin what it mostly is, whether it is that wholly, and its blur in micrometers."""
    height, width = (side // PIXELS for side in painting.labels.shape)
    shares = np.stack(
        [
            cv2.resize((painting.labels == n).astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
            for n in range(LABELS)
        ]
    )
    blur = cv2.resize(painting.blur_um, (width, height), interpolation=cv2.INTER_AREA)
    return shares.argmax(axis=0).astype(np.uint8), shares.max(axis=0) > 0.95, np.hypot(blur, SHARP_UM)


def draw(field: Field, kind: str, rng: np.random.Generator) -> tuple[np.ndarray, Painting]:
    """Return an image with artifacts of a kind, and what was painted."""
    painting = Painting.of(canvas(field, rng), 1.0)
    vary(painting, rng)
    paint(painting, kind, rng)
    return seen(painting, rng), painting


def samples(
    chosen: list[Field], kinds: list[str], count: int, each: int, seed: int
) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield features (F, N), labels, and blur of random bins of images; blur is NaN where it doesn't count."""
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        sources = sorted({field.source for field in chosen})
        source = sources[number % len(sources)]
        among = [field for field in chosen if field.source == source]
        rgb, painting = draw(among[rng.integers(len(among))], kinds[number % len(kinds)], rng)
        label, whole, blur = truth(painting)
        blur = np.where((label == 0) | (label == BUBBLE), blur, np.nan)
        places = np.flatnonzero(whole.ravel())
        odd = places[label.ravel()[places] > 0]
        taken = np.concatenate([rng.choice(part, min(len(part), each)) for part in (places, odd) if len(part)])
        yield features(rgb).reshape(-1, label.size)[:, taken], label.ravel()[taken], blur.ravel()[taken]


__all__ = ["Field", "Line", "draw", "features", "fields", "load", "samples", "truth"]
