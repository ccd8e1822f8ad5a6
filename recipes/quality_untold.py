"""Why the quality map does not tell blood, necrosis and stitching seams: what simple measures of them would give.

    python recipes/quality_untold.py DATA

`red` is the share of fields of which more than 5% is as red as lakes of red blood cells are (little red light is taken,
and as much blue as green), `bare` of which more than 25% is pink without a nucleus within 24 µm, as necrosis is; both
by organ, for tissue that has neither. `seam` is how far the line of pixels that stands out most does, in deviations of
the lines around it, along 512 µm: in tissue as it is, and with a step in brightness or a shift of structure.
"""

import sys
from pathlib import Path

import cv2
import numpy as np
from painted import canvas, features, fields
from sheets import nuinsseg

from pathopipe.ops.quality.surroundings import FEATURES
from pathopipe.slide import open_slide

LENGTH, SIDE, IMAGES, AROUND, BESIDE = 512, 1024, 24, 65, 9
CHANGES = {
    "as it is": (0.0, 0),
    "4% darker": (0.04, 0),
    "12% darker": (0.12, 0),
    "2 µm off": (0, 2),
    "8 µm off": (0, 8),
}


def looks(rgb: np.ndarray) -> tuple[bool, bool]:
    """Tell whether a field looks as if it held blood, and necrosis."""
    values = dict(zip(FEATURES, features(rgb[: len(rgb) // 16 * 16, : rgb.shape[1] // 16 * 16]), strict=True))
    red, green, blue = (values[f"{color}_bin"] for color in ("red", "green", "blue"))
    blood = (green > 0.15) & (red < 0.45 * green) & (blue > 0.75 * green)
    nuclear = cv2.dilate((red > 0.6 * green).astype(np.uint8), np.ones((13, 13), np.uint8)) > 0
    return bool(blood.mean() > 0.05), bool(((green > 0.1) & ~nuclear).mean() > 0.25)


def by_organ(data: Path) -> None:
    """Print how many fields of each organ look as if they held blood or necrosis."""
    found = dict[str, list[tuple[bool, bool]]]()
    for line, _ in nuinsseg(data / "nuclei"):
        with open_slide(line.image, (0.25, 0.25)) as slide:
            grid = slide.grid(1.0)
            rgb = slide.read(grid, 0, 0, grid.width, grid.height)
        found.setdefault(line.image.stem.rsplit("_", 1)[0], []).append(looks(rgb))
    for organ, values in found.items():
        red, bare = np.sum(values, axis=0)
        if red or bare:
            print(f"{organ}: red {red}, bare {bare} of {len(values)}")


def seam(green: np.ndarray) -> float:
    """How far the most distinct line down or across an image stands out, in steps of one sign or in sizes of steps."""
    found = [0.0]
    for image in (green, green.T):
        for top in range(0, len(image) - LENGTH + 1, LENGTH // 2):
            part = image[top : top + LENGTH].astype(np.int16)
            steps = part[:, 2:] - part[:, :-2]
            signed = np.median(steps, axis=0) + np.clip(steps, -12, 12).mean(axis=0)
            sizes = np.sqrt(np.abs(steps)).mean(axis=0)
            lines = np.stack([np.abs(signed), sizes - around(sizes)])
            found += [float((line / np.sqrt(around(line**2) + 0.01)).max()) for line in lines]
    return max(found)


def around(line: np.ndarray) -> np.ndarray:
    """Average what lies around each pixel of a line, those beside it left out."""
    every, close = (cv2.blur(line[None], (size, 1))[0] * size for size in (AROUND, BESIDE))
    return np.maximum(every - close, 0) / (AROUND - BESIDE)


def seams(data: Path) -> None:
    """Print how far seams stand out in tissue that was mirrored to squares of 1 mm."""
    known = [field for field in fields(data)[1] if field.source == "brca_m2c"]
    found = dict[str, list[float]]()
    for number in range(IMAGES):
        rng = np.random.default_rng((3, number))
        image = canvas(known[rng.integers(len(known))], rng, SIDE)[..., 1].astype(float)
        middle = int(rng.integers(SIDE // 4, 3 * SIDE // 4))
        for name, (darker, shift) in CHANGES.items():
            changed = image.copy()
            changed[:, middle:] = np.roll(changed[:, middle:], shift, axis=0) * (1 - darker)
            found.setdefault(name, []).append(seam(np.rint(changed)))
    for name, values in found.items():
        print(f"seam, {name}: median {np.median(values):.1f}, 10% to 90% {np.quantile(values, (0.1, 0.9)).round(1)}")


def main() -> None:
    """Print all."""
    by_organ(Path(sys.argv[1]))
    seams(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
