"""Slides with grades, of which some statistics rise with the grade; in memory and as results of a run."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pathopipe.pipeline import stages_up_to
from pathopipe.results.documents import write_json
from pathopipe.results.schemas.column import schema_of
from pathopipe.results.schemas.counts import REGION, REGION_CLASS, SLIDE, TYPE
from pathopipe.results.schemas.statistics import COLUMNS
from pathopipe.training.grade.cohort import Cohort
from tests import made

TELLING = ("area_um2_mean", "area_um2_sd")
SILENT = ("circularity_mean", "circularity_sd", "eosin_mean_mean", "eosin_mean_sd", "spatial_clark_evans")
NAMES = (*TELLING, *SILENT)
GRADES = ("1", "2", "3")


def numbers(count: int, noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Grades (n,) in turns, and values (n, columns of a row)."""
    rng = np.random.default_rng(seed)
    truth = np.arange(count) % len(GRADES)
    values = rng.normal(size=(count, len(NAMES)))
    values[:, : len(TELLING)] = 40 + 10 * truth[:, None] + noise * values[:, : len(TELLING)]
    return truth, values


def cohort(count: int = 60, noise: float = 4.0, seed: int = 0, per_patient: int = 1, **changes: Any) -> Cohort:
    """A cohort in memory."""
    truth, values = numbers(count, noise, seed)
    patients = tuple(
        f"p{place // (per_patient * len(GRADES)) * len(GRADES) + place % len(GRADES)}" for place in range(count)
    )
    known: dict[str, Any] = {
        "slides": tuple(f"s{place}" for place in range(count)),
        "patients": patients,
        "grades": GRADES,
        "truth": truth,
        "values": values,
        "families": {
            "all size": TELLING,
            "all shape": SILENT[:2],
            "all stain": SILENT[2:4],
            "all arrangement": SILENT[4:],
        },
        "about": {},
        "left_out": {},
        "mpp": (0.5,) * count,
        "label": "grade",
    }
    return Cohort(**(known | changes))


def write_statistics(
    results: Path, slide: str, *rows: dict[str, float | None], regions: tuple[str, ...] = ("slide",)
) -> None:
    """The table of statistics of all and of epithelial nuclei, the same of both, a row per region.

    Of a rejected slide without rows.
    """
    kinds = {column.name: column for column in COLUMNS}
    names = dict.fromkeys(name for row in rows for name in row)
    schema = schema_of((REGION, REGION_CLASS, TYPE, *SLIDE, *(kinds[name] for name in names)))
    counted = dict.fromkeys((column.name for column in SLIDE), None) | {"nuclei_count": 400}
    named = zip(regions, rows, strict=False)
    table = [
        {"region": region, "region_class": "", **counted, **row, "type": kind}
        for region, row in named
        for kind in ("all", "epithelial")
    ]
    pq.write_table(pa.Table.from_pylist(table, schema), results / slide / "statistics" / "statistics.parquet")


def write_slide(results: Path, slide: str, row: dict[str, float | None], rejected: str | None = None) -> None:
    """What the stages up to `statistics` leave of a slide, and its statistics of all and of epithelial nuclei."""
    known = {"state": "rejected" if rejected else "done", "reason": rejected, "identity": f"1200-{slide}"}
    for stage in stages_up_to("statistics"):
        write_json(results / slide / stage / "manifest.json", made.manifest(stage, slide, **known))
    write_statistics(results, slide, *([] if rejected else [row]))
    made.seal(results, slide)


def write_cohort(folder: Path, count: int = 36, noise: float = 4.0, **columns: Any) -> tuple[Path, Path]:
    """Results of slides and their sheet; ``columns`` are more of it, a function of the slide's place each."""
    truth, values = numbers(count, noise)
    lines = ["\t".join(("slide", "path", "patient", "grade", *columns))]
    for place in range(count):
        slide = f"s{place}"
        write_slide(folder / "results", slide, dict(zip(NAMES, values[place].tolist(), strict=True)))
        more = (str(make(place)) for make in columns.values())
        lines.append("\t".join((slide, f"{slide}.svs", f"Doe {place}", GRADES[truth[place]], *more)))
    sheet = folder / "slides.tsv"
    sheet.write_text("\n".join(lines) + "\n")
    return sheet, folder / "results"
