"""Made-up nuclei of a slide, as graders get them: columns in parts, and the statistics that the stage describes."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pathopipe.grading.base import Parts
from pathopipe.ops.nucleus_types import TYPES
from pathopipe.ops.statistics import summarize

Nuclei = dict[str, np.ndarray]
# Mean area of tumor nuclei, spread of its logarithm, dark clumps: nuclei of stroma have 28 um2 and 2 clumps.
LEVELS = {"1": (34.0, 0.2, 2.0), "2": (48.0, 0.34, 2.9), "3": (75.0, 0.5, 4.4)}
WHOLE_ONLY = ("area_um2",)


def kind(type_: str, count: int, area: float, spread: float, clumps: float, seed: int) -> Nuclei:
    rng = np.random.default_rng(seed)
    return {
        "type": np.full(count, TYPES.index(type_) if type_ in TYPES else -1, np.float64),
        "area_um2": area * np.exp(spread * rng.normal(size=count)),
        "clump_count": rng.poisson(clumps, count).astype(np.float64),
        "at_border": (rng.random(count) < 0.05).astype(np.float64),
    }


def slide(
    level: str = "2", tumor: int = 600, stroma: int = 200, extent_um: float = 2000.0, scale: float = 1.0, seed: int = 0
) -> Nuclei:
    """Tumor of a level among stroma, lymphocytes and nuclei of no known type, all of them enlarged alike."""
    area, spread, clumps = LEVELS[level]
    parts = (
        kind("epithelial", tumor, area, spread, clumps, seed),
        kind("stromal", stroma, 28.0, 0.3, 2.0, seed + 1),
        kind("inflammatory", 60, 22.0, 0.1, 1.5, seed + 2),
        kind("unknown", 40, 300.0, 0.9, 9.0, seed + 3),
    )
    nuclei = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    nuclei["x_um"], nuclei["y_um"] = np.random.default_rng(seed + 4).random((2, len(nuclei["type"]))) * extent_um
    nuclei["area_um2"] *= scale
    # A table has them in the order of places, not of types.
    order = np.random.default_rng(seed + 5).permutation(len(nuclei["type"]))
    return {name: column[order] for name, column in nuclei.items()}


def in_parts(nuclei: Nuclei, size: int = 1000) -> Parts:
    """Some nuclei at a time, as they come from tables; places and measures lie in two, with parts of other sizes."""

    def give(names: Sequence[str]) -> Iterator[Nuclei]:
        step = max(1, size // 3) if "x_um" in names else size
        for start in range(0, len(nuclei["type"]), step):
            yield {name: nuclei[name][start : start + step] for name in names}

    return give


def described(nuclei: Nuclei) -> dict[str, dict[str, Any]]:
    """What the stage statistics says of them."""
    masks = {name: nuclei["type"] == place for place, name in enumerate(TYPES)}
    known = max(1, int(sum(mask.sum() for mask in masks.values())))
    rows = {name: _row(nuclei, mask) for name, mask in {"all": np.ones(len(nuclei["type"]), bool), **masks}.items()}
    shares = {f"{name}_share": int(mask.sum()) / known for name, mask in masks.items()}
    return rows | {"all": rows["all"] | shares}


def _row(nuclei: Nuclei, mask: np.ndarray) -> dict[str, Any]:
    columns = {
        name: np.where(nuclei["at_border"] == 0, nuclei[name], np.nan)[mask] if name in WHOLE_ONLY else values[mask]
        for name, values in nuclei.items()
        if name in {"area_um2", "clump_count"}
    }
    return {"nuclei_count": int(mask.sum())} | summarize(columns)
