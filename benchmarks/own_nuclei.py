"""Seconds and memory of `segment` on a slide whose nuclei are given, by default a million in one line of GeoJSON.

    PYTHONPATH=. python benchmarks/own_nuclei.py [--nuclei 1000000] [--measurements 40] [--workers 2]

The outlines have 41 points and measurements with long names, as QuPath writes them, in no spatial order: two in a row
lie far apart. The file is made first, its size is printed. No slide is read.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import shapely
from tests import made

from pathopipe.jobs.execution import execute
from pathopipe.pipeline import STAGES, SegmentSettings
from pathopipe.results.documents import write_json
from pathopipe.samples import Sample

SPACING_PX = 40
STRIDE = 7919  # a prime: a walk over all places in an order that jumps


def write_geojson(path: Path, count: int, measurements: int) -> int:
    """Write ellipses on a square lattice; returns the lattice's side."""
    rng, side = np.random.default_rng(0), int(np.ceil(np.sqrt(count)))
    angles = np.linspace(0, 2 * np.pi, 41)
    names = [f"Channel {number}: Nucleus: Mean of optical density" for number in range(measurements)]
    about = {"objectType": "detection", "classification": {"name": "Tumor", "color": [200, 0, 0]}}
    with path.open("w", encoding="utf-8") as file:
        file.write('{"type":"FeatureCollection","features":[')
        for number in range(count):
            row, column = divmod(number * STRIDE % count, side)
            radius = rng.uniform(9, 17)
            x = SPACING_PX * (column + 0.5) + radius * np.cos(angles)
            y = SPACING_PX * (row + 0.5) + 0.8 * radius * np.sin(angles)
            ring = np.column_stack([x, y]).round(2).tolist()
            values = dict(zip(names, rng.random(measurements).round(6).tolist(), strict=True))
            feature = {
                "type": "Feature",
                "geometry": {"type": "Polygon", "coordinates": [[*ring[:-1], ring[0]]]},
                "properties": about | {"measurements": values},
            }
            file.write(("," if number else "") + json.dumps(feature, separators=(",", ":")))
        file.write("]}")
    return side


def write_results(results: Path, side_px: int) -> None:
    """Results of the stages before, of a slide that is all tissue at 0.25 µm per pixel."""
    home, bins = results / "s", -(-side_px // 32)
    grid = {"width": side_px, "height": side_px, "factor_x": 1.0, "factor_y": 1.0, "mpp_x": 0.25, "mpp_y": 0.25}
    mpp = {"mpp_x": 0.25, "mpp_y": 0.25}
    info = {"width": side_px, "height": side_px, "levels": 1, "format": "svs", "bounds": None}
    mask = {"width": bins, "height": bins, "bin_px_x": 32.0, "bin_px_y": 32.0, "bin_um2": 64.0}
    tissue = made.manifest("tissue", **mpp, slide_info=info, bins=mask)
    detect = made.manifest("detect", **mpp, inputs={"nuclei": "0"}, grid=grid, counts={"seeds": 0})
    for stage, manifest in (("tissue", tissue), ("quality", made.manifest("quality", **mpp)), ("detect", detect)):
        write_json(home / stage / "manifest.json", manifest)
    box = shapely.geometry.mapping(shapely.box(0, 0, 32 * bins, 32 * bins))
    feature = {"type": "Feature", "geometry": box, "properties": {}}
    for name in ("tissue/tissue", "quality/sound"):
        write_json(home / f"{name}.geojson", {"type": "FeatureCollection", "features": [feature]})
    for stage in ("quality", "detect"):
        for name in STAGES[stage].writes:
            (home / stage / name).touch()
    made.seal(results, "s", "tissue", "quality", "detect")


def measure(folder: Path, workers: int) -> None:
    """Run the stage in this process, and print what it took."""
    sample, start = Sample("s", folder / "slide.svs", nuclei=folder / "nuclei.geojson"), time.perf_counter()
    (folder / "slide.svs").touch()
    manifest = execute("segment", "s", folder / "results", SegmentSettings(), sample, workers)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{manifest['counts']}: {time.perf_counter() - start:.0f} s, {memory:,.0f} MB, {workers} threads")
    print(json.loads((folder / "results" / "s" / "segment" / "run.json").read_text())["spent"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--nuclei", type=int, default=1_000_000)
    parser.add_argument("--measurements", type=int, default=40)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.folder:
        measure(given.folder, given.workers)
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        side = write_geojson(folder / "nuclei.geojson", given.nuclei, given.measurements)
        write_results(folder / "results", SPACING_PX * side)
        print(f"{(folder / 'nuclei.geojson').stat().st_size / 1e9:.2f} GB of GeoJSON")
        # In a process of its own, whose memory is the stage's alone.
        subprocess.run([sys.executable, __file__, "--folder", scratch, "--workers", str(given.workers)], check=True)


if __name__ == "__main__":
    main()
