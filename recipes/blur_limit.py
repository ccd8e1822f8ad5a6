"""Measure how far blur lowers the F1 of `open`: it sets the default of `quality.max_blur_um`.

    python recipes/blur_limit.py DATA OUT

Annotated fields that `open` was not trained on and that choices may be made with, five organs of NuInsSeg (every sixth
field) and three patients of TNBC (every second), are blurred by a Gaussian, and all stages up to `segment` run on them.
Prints F1 at an IoU of 0.5 and of detection within 3 µm for each standard deviation.
"""

import sys
from pathlib import Path

import cv2
from sheets import KEPT_APART, TNBC_VALIDATION, Line, nuinsseg, pairs

from pathopipe.annotations import Annotated
from pathopipe.evaluation.metrics import Counts, scores
from pathopipe.evaluation.scoring import evaluate_images
from pathopipe.pipeline import Config

SIGMAS_UM = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
MPP = 0.25


def chosen(data: Path) -> list[Line]:
    """Return the fields, with their outlines."""
    first = [line for line, fold in nuinsseg(data) if fold == KEPT_APART][::6]
    second = [Line(*pair, MPP, "") for pair in pairs(data / "tnbc") if pair[0].stem[:2] in TNBC_VALIDATION][::2]
    return first + second


def blurred(lines: list[Line], sigma_um: float, out: Path) -> list[Annotated]:
    """Write the fields, blurred."""
    out.mkdir(parents=True, exist_ok=True)
    found = []
    for line in lines:
        rgb = cv2.imread(str(line.image))
        if sigma_um:
            rgb = cv2.GaussianBlur(rgb, (0, 0), sigma_um / MPP)
        path = out / f"{line.image.stem}.png"
        cv2.imwrite(str(path), rgb)
        found.append(Annotated(line.image.stem, path, line.labels, MPP))
    return found


def main() -> None:
    """Print a line per standard deviation."""
    data, out = Path(sys.argv[1]) / "nuclei", Path(sys.argv[2])
    lines = chosen(data)
    print(f"{len(lines)} fields")
    for sigma in SIGMAS_UM:
        rows = evaluate_images(blurred(lines, sigma, out / f"{sigma:g}"), Config(), ["open"], lambda *_: None)
        found = scores(sum((row.counts for row in rows), Counts()))
        print(f"{sigma:g} µm: F1 {found.f1:.3f}, detection {found.detection_f1:.3f}", flush=True)


if __name__ == "__main__":
    main()
