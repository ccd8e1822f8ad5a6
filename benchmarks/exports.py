"""``pathopipe export`` of a million nuclei: seconds, seconds of the processors, and peak memory, per format.

    python benchmarks/exports.py [--count 1000000] [--formats qupath,csv]

The tables are those of `million_nuclei`, with outlines of 40 points in the order in which `segment` writes them.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from million_nuclei import MPP, finish

from pathopipe.exports import FORMATS
from pathopipe.ops.wkb import to_wkb, wkb_column
from pathopipe.pipeline import ORDER, STAGES
from pathopipe.record import MANIFEST
from pathopipe.results.documents import read_json, write_json
from pathopipe.results.schemas.nuclei import SCHEMA
from pathopipe.results.tables import ROWS_PER_GROUP, TableWriter, numbers, read_table

POINTS = 40
BLOCK_PX = 1024
ENDINGS = {
    "qupath": (".geojson", ".geojson.gz"),
    "csv": (".csv",),
    "geoparquet": (".parquet",),
    "anndata": (".h5ad",),
    "spatialdata": (".spatialdata.zarr",),
    "ome-zarr": (".ome.zarr",),
}


def outline(home: Path) -> None:
    """Give the nuclei outlines around their centers, on the working grid, block by block."""
    path, side = home / "segment" / "nuclei.parquet", read_json(home / "segment" / MANIFEST)["grid"]["width"]
    table = read_table(path, ["x_px", "y_px", "area_um2", "score"])
    places = np.column_stack([table["x_px"], table["y_px"]])
    places = places[np.lexsort((places[:, 0], *(places // BLOCK_PX).astype(int).T))]
    turns = np.linspace(0, 2 * np.pi, POINTS)
    ring = np.round(np.column_stack([np.cos(turns), np.sin(turns)]) * 8)
    with TableWriter(path, SCHEMA) as nuclei:
        for start in range(0, len(places), ROWS_PER_GROUP):
            here = places[start : start + ROWS_PER_GROUP]
            coords = np.clip((np.round(here)[:, None] + ring).reshape(-1, 2), 0, side)
            packed = to_wkb(coords, np.arange(len(here) + 1) * POINTS)
            some = {name: numbers(table[name].slice(start, len(here))) for name in ("area_um2", "score")}
            known = {"nucleus_id": np.arange(start, start + len(here)), "x_px": here[:, 0], "y_px": here[:, 1]}
            outlines = wkb_column(packed, np.full(len(here), POINTS))
            nuclei.write(known | some | {"geometry": outlines})


def complete(home: Path) -> None:
    """Leave what the other stages leave."""
    known = read_json(home / "segment" / MANIFEST)
    entries = {"halo": 0, "score": 0.5, "scales": [], "fields": {}, "whole_only": [], "about": {}}
    model = {"name": "made here", "sha256": None}
    for stage in ORDER:
        if not (home / stage).exists():
            (home / stage).mkdir()
            said = {"stage": stage, "contract": STAGES[stage].contract, "model": model, "outputs": {}}
            write_json(home / stage / MANIFEST, known | entries | said)
    write_json(home / "statistics" / "regions.geojson", {"type": "FeatureCollection", "features": []})
    for stage in ORDER:
        os.utime(home / stage / MANIFEST, (0, 0))


def measure(kind: str, results: Path, target: Path) -> None:
    start = time.perf_counter()
    command = [sys.executable, "-m", "pathopipe", "export", kind, str(results), str(target)]
    process = subprocess.Popen(command)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(process.returncode)
    wall = time.perf_counter() - start
    files = [target] if target.is_file() else [*target.rglob("*")]
    size = sum(file.stat().st_size for file in files) / 1e6
    print(
        f"{kind} ({target.name}): {wall:.1f} s, {used.ru_utime + used.ru_stime:.1f} s of the processors, "
        f"{used.ru_maxrss / 1024:,.0f} MB at most, {size:,.0f} MB written"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--formats", default=",".join(FORMATS))
    parser.add_argument(
        "--folder", type=Path, help="Where to make the tables and exports; default: a temporary folder."
    )
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        home = finish(Path(folder) / "results", asked.count)
        outline(home)
        complete(home)
        print(f"{asked.count:,} nuclei of {MPP} um per pixel, {os.cpu_count()} processors")
        for kind in asked.formats.split(","):
            for ending in ENDINGS[kind]:
                measure(kind, home.parent, Path(folder) / f"nuclei{ending}")


if __name__ == "__main__":
    main()
