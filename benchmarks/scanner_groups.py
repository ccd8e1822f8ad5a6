"""Whether images of several sources are told apart by staining and scanning, and those of one source are not.

    python benchmarks/scanner_groups.py TNBC=DATA/tnbc/images=0.25 GlaS=DATA/glas/images=0.62 …

Each image counts as a slide. It is described as `tissue` describes slides, without the color of glass, which fields
don't show. Prints the groups that are found in each source, and in each pair of sources, with how many images of which
source they hold. With ``--false N`` it prints instead how often groups are found in N cohorts of one scanner, which are
drawn at random, by their size and the shape of their distribution.
"""

import argparse
from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np

from pathopipe.ops.groups import find_groups, scaled
from pathopipe.ops.scan import blockiness, middle_sharpness, noise
from pathopipe.ops.stain import estimate_stains
from pathopipe.ops.tissue import sharpness
from pathopipe.reporting.cohort_scanners import LEAST

NAMES = [name for name in LEAST if "glass" not in name]
SIDE, MPP = 256, 0.5
SHAPES = {
    "normal, independent": lambda noise, _: noise,
    "normal, together": lambda noise, one: noise + 3 * one,
    "log-normal": lambda noise, _: np.exp(0.7 * noise),
    "one direction log-normal": lambda noise, one: noise + 3 * np.exp(one),
    "drifting": lambda noise, one: noise + np.linspace(-8, 8, len(one))[:, None] * (np.arange(noise.shape[1]) < 3),
}


def described(path: Path, mpp: float) -> list[float] | None:
    """The numbers of an image; None where one is not known."""
    rgb = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    stains = estimate_stains(rgb.reshape(-1, 3)[::7])
    starts = [range(0, max(1, length - SIDE + 1), SIDE) for length in rgb.shape[:2]]
    windows = [rgb[y : y + SIDE, x : x + SIDE] for y in starts[0] for x in starts[1]]
    coarse = cv2.resize(rgb, None, fx=mpp / MPP, fy=mpp / MPP, interpolation=cv2.INTER_AREA)
    scan = [noise(windows), blockiness(windows), middle_sharpness([sharpness(coarse)])]
    if stains.source == "default" or None in scan:
        return None
    return [*stains.hematoxylin, *stains.eosin, stains.hematoxylin_max, stains.eosin_max, *scan]


def rows(sources: list[str]) -> Iterator[tuple[str, list[float]]]:
    for source in sources:
        name, folder, mpp = source.split("=")
        for path in sorted(Path(folder).iterdir()):
            found = described(path, float(mpp))
            if found is not None:
                yield name, found


def print_found(sources: list[str]) -> None:
    names, values = zip(*rows(sources), strict=True)
    of, table, least = np.array(names), np.array(values), [LEAST[name] for name in NAMES]
    print("| images of | groups |\n|---|---|")
    for chosen in [*((name,) for name in dict.fromkeys(names)), *combinations(dict.fromkeys(names), 2)]:
        here = np.isin(of, chosen)
        groups = find_groups(scaled(table[here], least))
        held = [Counter(of[here][groups == group].tolist()) for group in range(groups.max() + 1)]
        told = "; ".join(", ".join(f"{count} {name}" for name, count in one.most_common()) for one in held)
        print(f"| {' and '.join(chosen)} | {len(held)}: {told} |", flush=True)


def print_false(cohorts: int) -> None:
    sizes, measures = (10, 15, 40, 150), len(LEAST)
    print("| distribution | " + " | ".join(f"n = {size}" for size in sizes) + " |")
    print("|---" * (1 + len(sizes)) + "|")
    for name, shape in SHAPES.items():
        rng, cells = np.random.default_rng(0), []
        for size in sizes:
            drawn = (shape(rng.normal(size=(size, measures)), rng.normal(size=(size, 1))) for _ in range(cohorts))
            split = sum(bool(find_groups(scaled(one, np.full(measures, 0.01))).any()) for one in drawn)
            cells.append(f"{split / cohorts:.1%}")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="*")
    parser.add_argument("--false", type=int)
    asked = parser.parse_args()
    if asked.false:
        print_false(asked.false)
    else:
        print_found(asked.sources)


if __name__ == "__main__":
    main()
