"""The heat map of the stage `grade` on a million nuclei: seconds, seconds of the processor, and peak memory.

    python benchmarks/heat_map.py [--count 1000000] [--measures 210]

The score rests on all 14 statistics of each measure, of all nuclei and of one type. Tables are made here, with random
values, and read a row group at a time, as the stage reads them.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from spatial import DENSITY_PER_UM2
from spatial import nuclei as nuclei_at

from pathopipe.ops.heat_map import heat_map
from pathopipe.ops.influence import score_influence
from pathopipe.ops.nucleus_types import TYPES
from pathopipe.ops.resampling import squares
from pathopipe.ops.statistics import STATISTICS, summarize
from pathopipe.results.schemas.column import Column, schema_of
from pathopipe.results.tables import ROWS_PER_GROUP, TableWriter, numbers, read_batches, read_columns

SIDE_UM = 250.0
GROUPS = ("all", TYPES[0])


def write(path: Path, names: list[str], count: int) -> None:
    """Write a table of random measures, a row group at a time."""
    rng, points = np.random.default_rng(1), nuclei_at(count, (count / DENSITY_PER_UM2) ** 0.5)
    kinds = [*(Column(name, "float32", "", "") for name in names), Column("type", "int8", "", "")]
    kinds += [Column(name, "float64", "", "") for name in ("x_um", "y_um", "at_border")]
    with TableWriter(path, schema_of(kinds)) as table:
        for start in range(0, count, ROWS_PER_GROUP):
            here = points[start : start + ROWS_PER_GROUP]
            of_nuclei = {"type": rng.integers(-1, len(TYPES), len(here)), "at_border": np.zeros(len(here))}
            measured = {name: rng.gamma(4, 10, len(here)) for name in names}
            table.write(measured | of_nuclei | {"x_um": here[:, 0], "y_um": here[:, 1]})


def describe(path: Path, names: list[str]) -> dict[str, dict[str, float | None]]:
    """Statistics of all nuclei and of a type, a column at a time."""
    kind = read_columns(path, ["type"])["type"]
    found: dict[str, dict[str, float | None]] = {group: {} for group in GROUPS}
    for group, rows in zip(GROUPS, (slice(None), kind == 0), strict=True):
        found[group]["nuclei_count"] = len(kind[rows])
        for name in names:
            found[group] |= summarize({name: read_columns(path, [name])[name][rows]})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--measures", type=int, default=210)
    asked = parser.parse_args()
    names = [f"measure{number}" for number in range(asked.measures)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "nuclei.parquet"
        write(path, names, asked.count)
        described = describe(path, names)
        slope = {(group, f"{name}_{kind}"): 1.0 for group in GROUPS for name in names for kind in STATISTICS}

        def parts(wanted: Sequence[str]) -> Iterator[dict[str, np.ndarray]]:
            for batch in read_batches(path, list(wanted)):
                yield {name: numbers(batch.column(name)) for name in wanted}

        def points() -> Iterator[tuple[np.ndarray, np.ndarray]]:
            return ((part["x_um"], part["y_um"]) for part in parts(["x_um", "y_um"]))

        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = (time.perf_counter(), time.process_time())
        influence = score_influence(parts, slope, described, names, names)
        found = heat_map(influence.parts(), points(), *squares(points, SIDE_UM), 20)
        print(f"{asked.count:,} nuclei, {len(slope):,} statistics, {len(found.nuclei):,} squares")
        wall, processor = time.perf_counter() - start[0], time.process_time() - start[1]
        print(f"{wall:.1f} s, {processor:.1f} s of the processor")
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(f"{after / 1024:,.0f} MB at most, {before / 1024:,.0f} MB before")


if __name__ == "__main__":
    main()
