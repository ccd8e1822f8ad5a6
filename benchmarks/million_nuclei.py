"""The stage `statistics` on a million nuclei: seconds, seconds of the processors, and peak memory.

    python benchmarks/million_nuclei.py [--count 1000000] [--workers 2] [--plain]

The tables are made here, with random values in all columns; nuclei lie at 4,000 per mm2, seven of ten anywhere and the
others in clusters, half of them epithelial. ``--plain`` leaves out how nuclei lie to each other.
"""

import argparse
import json
import math
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import shapely
from spatial import DENSITY_PER_UM2
from spatial import nuclei as nuclei_at

from pathopipe.jobs.execution import execute
from pathopipe.ops.nucleus_types import TYPES
from pathopipe.pipeline import STAGES, StatisticsSettings
from pathopipe.provenance import sha256
from pathopipe.record import MANIFEST
from pathopipe.results.documents import write_json
from pathopipe.results.schemas.column import schema_of
from pathopipe.results.schemas.features import COLUMNS
from pathopipe.results.schemas.nuclei import SCHEMA as NUCLEI
from pathopipe.results.schemas.types import SCHEMA as TYPE_SCHEMA
from pathopipe.results.tables import ROWS_PER_GROUP, TableWriter
from pathopipe.samples import Sample

MPP = 0.5
CELL = 16


def write_tables(home: Path, points: np.ndarray) -> None:
    """Write what the stage reads of nuclei, a row group at a time."""
    rng, square = np.random.default_rng(1), shapely.to_wkb(shapely.box(0, 0, 1, 1))
    with (
        TableWriter(home / "segment" / "nuclei.parquet", NUCLEI) as nuclei,
        TableWriter(home / "features" / "features.parquet", schema_of(COLUMNS)) as features,
        TableWriter(home / "types" / "types.parquet", TYPE_SCHEMA) as types,
    ):
        for start in range(0, len(points), ROWS_PER_GROUP):
            here = points[start : start + ROWS_PER_GROUP]
            n, ids = len(here), np.arange(start, start + len(here))
            known = {"nucleus_id": ids, "at_border": np.zeros(n, np.int8)}
            measured = {c.name: rng.gamma(4, 10, n) for c in COLUMNS} | known
            features.write(measured)
            place = {"x_px": here[:, 0] / MPP, "y_px": here[:, 1] / MPP, "geometry": [square] * n}
            nuclei.write({"nucleus_id": ids, "area_um2": measured["area_um2"], "score": np.ones(n)} | place)
            said = rng.choice([*TYPES, None], n, p=[0.5, 0.2, 0.2, 0.05, 0.05])
            types.write({"nucleus_id": ids, "type": said} | {f"p_{name}": np.full(n, 0.25) for name in TYPES})


def finish(results: Path, count: int) -> Path:
    """Write a slide that is done up to `types`; return its folder."""
    home, side_um = results / "slide", math.sqrt(count / DENSITY_PER_UM2)
    bins = math.ceil(side_um / MPP / CELL)
    side = bins * CELL
    for stage in ("tissue", "quality", "segment", "features", "types"):
        (home / stage).mkdir(parents=True)
    box = shapely.geometry.mapping(shapely.box(0, 0, side, side))
    tissue = {"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": box, "properties": {}}]}
    (home / "tissue" / "tissue.geojson").write_text(json.dumps(tissue))
    (home / "tissue" / "thumbnail.jpg").touch()
    (home / "quality" / "sound.geojson").write_text(json.dumps(tissue))
    write_json(home / "quality" / "quality.geojson", {"type": "FeatureCollection", "features": []})
    (home / "quality" / "quality.png").touch()
    write_tables(home, nuclei_at(count, side_um))
    grid = {"width": side, "height": side, "factor_x": 1.0, "factor_y": 1.0, "mpp_x": MPP, "mpp_y": MPP}
    whole = {"width": bins, "height": bins, "bin_px_x": CELL, "bin_px_y": CELL, "bin_um2": (CELL * MPP) ** 2}
    info = {"width": side, "height": side, "levels": 1, "format": "png", "bounds": None}
    stain = {"hematoxylin": [0.65, 0.7, 0.29], "eosin": [0.07, 0.99, 0.11], "hematoxylin_max": 1.0, "eosin_max": 1.0}
    stain |= {"source": "default", "measured": "native"}
    rest = {"tissue_mm2": (side * MPP) ** 2 / 1e6, "bins": whole, "slide_info": info, "sha256": "0" * 64}
    rest |= {"sound_mm2": rest["tissue_mm2"], "unfit_share": 0.0, "shares": {}}
    rest |= {"scan": dict.fromkeys(("glass", "noise", "blockiness", "sharpness"))}
    for stage in ("tissue", "quality", "segment", "features", "types"):
        outputs = {name: sha256(home / stage / name) for name in STAGES[stage].writes}
        known = {"slide": "slide", "stage": stage, "state": "done", "reason": None, "contract": STAGES[stage].contract}
        known |= {
            "code": "",
            "params": {},
            "inputs": {},
            "outputs": outputs,
            "versions": {},
            "model": {"name": "none", "sha256": None},
        }
        known |= {"identity": "0", "mpp_x": MPP, "mpp_y": MPP, "mpp_source": "sheet", "counts": {"nuclei": count}}
        known |= {"quality": [], "grid": grid, "mpp_checked_by": "nothing", "stain": stain}
        write_json(home / stage / MANIFEST, known | rest)
    return home


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--plain", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = finish(Path(folder), asked.count)
        size = sum(path.stat().st_size for path in home.rglob("*.parquet")) / 1e6
        print(f"{asked.count:,} nuclei, {size:,.0f} MB of tables")
        sample, settings = Sample("slide", home / "slide.png", (MPP, MPP)), StatisticsSettings(spatial=not asked.plain)
        start, before = time.perf_counter(), time.process_time()
        execute("statistics", "slide", Path(folder), settings, sample, asked.workers)
        wall, processors = time.perf_counter() - start, time.process_time() - before
        print(f"{wall:.1f} s, {processors:.1f} s of the processors, kernels compiled or loaded included")
        print(
            f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB at most, making the tables included"
        )


if __name__ == "__main__":
    main()
