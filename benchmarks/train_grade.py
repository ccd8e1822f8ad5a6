"""Training graders on many slides: seconds of each kind, and how many times those of the fastest.

    python benchmarks/train_grade.py [--slides 500] [--kind linear ...]

The slides are made here, in memory: 200 columns in each of 18 families, a tenth of which go with the grade, and 60
squares a slide for ``fields``. All is done that `pathopipe train grade` does, but for reading the tables. ``cpu`` are
seconds of the processors, which other work on the machine changes little.
"""

import argparse
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

import numpy as np

from pathopipe.training.grade import session
from pathopipe.training.grade.cohort import Cohort

KINDS = ("linear", "trees", "nominal", "fields")
GROUPS = ("size", "stain", "distances", "shape", "texture", "chromatin", "neighborhood", "counts", "arrangement")
COLUMNS, SQUARES, MEASURES = 200, 60, 40


def cohort(count: int) -> Cohort:
    """Slides of three grades, each of a patient of its own."""
    rng = np.random.default_rng(0)
    truth = np.arange(count) % 3
    families = {
        f"{row} {group}": tuple(f"{group}_{place}" for place in range(COLUMNS))
        for row in ("all", "epithelial")
        for group in GROUPS
    }
    values = rng.normal(size=(count, COLUMNS * len(families)))
    values[:, ::10] += 0.3 * truth[:, None]
    return Cohort(
        slides=tuple(f"s{place}" for place in range(count)),
        patients=tuple(f"p{place}" for place in range(count)),
        grades=("1", "2", "3"),
        truth=truth,
        values=values,
        families=families,
        about={},
        left_out={},
        mpp=(0.5,) * count,
        label="grade",
        fields=tuple(rng.normal(size=(SQUARES, MEASURES)) + 0.3 * grade for grade in truth),
        field_families={"all size": tuple(f"measure_{place}" for place in range(MEASURES))},
    )


def train(slides: Cohort, kind: str) -> tuple[float, float]:
    """Seconds, and seconds of the processors."""
    with tempfile.TemporaryDirectory() as folder, patch.object(session, "read_cohort", lambda *_, **__: slides):
        asked = session.Request(
            sheet=Path(folder), results=Path(folder), label="grade", group="patient", out=Path(folder), name="b",
            kinds=(kind,),
        )  # fmt: skip
        start, used = time.perf_counter(), time.process_time()
        session.run(asked, lambda *_: None)
        return time.perf_counter() - start, time.process_time() - used


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slides", type=int, default=500)
    parser.add_argument("--kind", action="append", choices=KINDS)
    given = parser.parse_args()
    slides = cohort(given.slides)
    print(f"{given.slides} slides, {slides.values.shape[1]} columns")
    print(f"{'kind':<10}{'seconds':>10}{'cpu':>10}")
    found = {}
    for kind in given.kind or KINDS:
        seconds, found[kind] = train(slides, kind)
        print(f"{kind:<10}{seconds:>10.1f}{found[kind]:>10.1f}", flush=True)
    fastest = min(found.values())
    print("ratios of cpu: " + ", ".join(f"{kind} {used / fastest:.1f}" for kind, used in found.items()))


if __name__ == "__main__":
    main()
