"""The page of a slide with a million nuclei: seconds, peak memory and size, and how it does in a browser.

    python benchmarks/viewer.py [--count 1000000] [--outlines auto|all|none] [--keep FOLDER]

A field of synthetic tissue is analyzed; its pixels and its tables are then repeated until there are enough nuclei.
Headless Chromium, which renders in software, opens the page from its file and drags it about, far and near.
"""

import argparse
import json
import math
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import shapely

from pathopipe.identity import identify
from pathopipe.jobs.execution import execute
from pathopipe.pipeline import STAGES, ReportSettings
from pathopipe.provenance import sha256
from pathopipe.record import MANIFEST
from pathopipe.results.documents import write_json
from pathopipe.results.tables import TableWriter, read_table
from pathopipe.samples import Sample
from pathopipe.synthetic import Scene, repeat_slide, write_slide

FIELD, MPP = 2048, 0.5
FLAGS = (
    "--headless --no-sandbox --disable-gpu --enable-unsafe-swiftshader --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
)
FRAMES = """async ([dx, dy, seconds]) => {
    const stage = document.querySelector('.viewer-stage'), box = stage.getBoundingClientRect();
    const send = (kind, x, y) => stage.dispatchEvent(new PointerEvent(kind, {
      pointerId: 1, clientX: box.left + x, clientY: box.top + y, bubbles: true }));
    stage.setPointerCapture = () => {};
    const times = [], start = performance.now();
    let [x, y, way] = [400, 300, 1];
    send('pointerdown', x, y);
    while (performance.now() - start < 1000 * seconds) {
      if (x < 100 || x > 700) way = -way;
      x += way * dx; y += way * dy;
      send('pointermove', x, y);
      times.push(await new Promise(requestAnimationFrame));
    }
    send('pointercancel', x, y);
    const steps = times.slice(1).map((time, i) => time - times[i]).sort((a, b) => a - b);
    return [(times.length - 1) * 1000 / (times.at(-1) - times[0]), steps[Math.floor(0.95 * steps.length)]];
}"""


def analyzed(folder: Path) -> Path:
    """Analyze a field up to `grade`; return the slide's folder."""
    write_slide(Scene(FIELD, FIELD, mpp=MPP, seed=1, tissue="field"), folder / "field.tiff", levels=2)
    sample, results = Sample("slide", folder / "field.tiff", (MPP, MPP)), folder / "field"
    for stage in STAGES.values():
        if stage.name != "report":
            execute(stage.name, "slide", results, stage.settings(), sample, 2)
    return results / "slide"


def repeat_table(source: Path, target: Path, times: int, per_group: int | None = None) -> int:
    """Repeat a table with a row per nucleus or tile, places moved by the size of the field."""
    table, count = read_table(source), 0
    shapes = (
        shapely.from_wkb(np.array(table["geometry"].to_pylist(), object)) if "geometry" in table.column_names else None
    )
    with TableWriter(target, table.schema, per_group) as writer:
        for place in range(times * times):
            dx, dy = (FIELD * step for step in (place % times, place // times))
            columns = {name: table[name].combine_chunks() for name in table.column_names}
            for name, step in (("x_px", dx), ("y_px", dy)):
                if name in columns:
                    columns[name] = np.asarray(columns[name]) + step
            for name in {"nucleus_id", "tile_id"} & set(columns):
                columns[name] = np.arange(count, count + len(table))
            if shapes is not None:
                columns["geometry"] = pa.array(shapely.to_wkb(shapely.transform(shapes, np.array([dx, dy]).__add__)))
            writer.write(columns)
            count += len(table)
    return count


def repeat(field: Path, results: Path, slide: Path, times: int) -> int:
    """Write the results of the field, repeated, as those of the large slide; return the number of nuclei."""
    home, count = results / "slide", 0
    shutil.copytree(field, home)
    for name in ("segment/nuclei", "features/features", "types/types", "tiles/tiles"):
        rows = repeat_table(field / f"{name}.parquet", home / f"{name}.parquet", times)
        count = rows if "nuclei" in name else count
    side = FIELD * times
    box = shapely.geometry.mapping(shapely.box(0, 0, side, side))
    feature = {"type": "Feature", "geometry": box, "properties": {}}
    write_json(home / "tissue" / "tissue.geojson", {"type": "FeatureCollection", "features": [feature]})
    for stage in ("tissue", "quality", "tiles", "detect", "segment", "features", "types", "statistics", "grade"):
        known = json.loads((home / stage / MANIFEST).read_text())
        known["identity"] = str(identify(slide))
        known["outputs"] = {name: sha256(home / stage / name) for name in STAGES[stage].writes}
        if "nuclei" in known["counts"]:
            known["counts"]["nuclei"] = count
        for part in ("grid", "bins", "slide_info"):
            if part in known:
                sizes = {"width": known[part]["width"] * times, "height": known[part]["height"] * times}
                known[part] |= sizes
        write_json(home / stage / MANIFEST, known)
    return count


def browse(path: Path) -> None:
    """Open the page, and drag it about."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver, tempfile.TemporaryDirectory() as profile:
        found = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))))
        context = driver.chromium.launch_persistent_context(
            profile, executable_path=found, headless=True, args=FLAGS.split(), viewport={"width": 1440, "height": 900}
        )
        page = context.new_page()
        start = time.perf_counter()
        page.goto(path.absolute().as_uri(), timeout=120_000)
        page.wait_for_selector(".viewer-note:not(:empty)", timeout=120_000)
        print(f"viewer ready after {time.perf_counter() - start:.1f} s", flush=True)
        painted = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
        print(f"first paint after {page.evaluate(painted) / 1000:.2f} s", flush=True)
        page.wait_for_timeout(5000)
        width = page.evaluate("Viewer.told.width")
        for words, um in (("whole slide", width * MPP), ("2 mm", 2000), ("500 µm", 500)):
            page.evaluate("where => { location.hash = where }", f"#view={width // 2},{width // 2},{um / MPP:.0f}")
            page.wait_for_timeout(3000)
            rate, slow = page.evaluate(FRAMES, [7, 3, 4])
            print(f"dragging, {words} wide: {rate:.0f} frames/s; 95 of 100 frames within {slow:.0f} ms", flush=True)
        context.close()


def make(folder: Path, count: int, outlines: str) -> Path:
    """Write the page, and say what that took."""
    field = analyzed(folder)
    of_field = json.loads((field / "segment" / MANIFEST).read_text())["counts"]["nuclei"]
    times = math.ceil(math.sqrt(count / of_field))
    repeat_slide(folder / "field.tiff", folder / "large.tiff", times, times)
    made = repeat(field, folder / "results", folder / "large.tiff", times)
    print(f"{made:,} nuclei on {(FIELD * MPP * times / 1000) ** 2:,.0f} mm2", flush=True)
    return report(folder, outlines)


def report(folder: Path, outlines: str) -> Path:
    """Run the stage in a process of its own, so that its memory is its own."""
    subprocess.run([sys.executable, __file__, "--only-report", str(folder), "--outlines", outlines], check=True)
    return folder / "results" / "slide" / "report" / "report.html"


def only_report(folder: Path, outlines: str) -> None:
    sample = Sample("slide", folder / "large.tiff", (MPP, MPP))
    start, before = time.perf_counter(), time.process_time()
    manifest = execute("report", "slide", folder / "results", ReportSettings(outlines=outlines), sample)
    wall, processors = time.perf_counter() - start, time.process_time() - before
    size = (folder / "results" / "slide" / "report" / "report.html").stat().st_size / 1e6
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{manifest['counts']['outlines']:,} outlines, {size:.1f} MB", flush=True)
    print(f"{wall:.1f} s, {processors:.1f} s of the processors, {memory:,.0f} MB at most", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--outlines", choices=["auto", "all", "none"], default="all")
    parser.add_argument("--keep", type=Path, help="work in this folder, and keep it; what is there is not made again")
    parser.add_argument("--only-report", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.only_report:
        only_report(asked.only_report, asked.outlines)
        return
    with tempfile.TemporaryDirectory() as other:
        folder = asked.keep or Path(other)
        folder.mkdir(exist_ok=True)
        again = (folder / "results").exists()
        browse(report(folder, asked.outlines) if again else make(folder, asked.count, asked.outlines))


if __name__ == "__main__":
    main()
