"""Many tiny slides through the local profile: how much of the work is the stages', and what a slide costs beside it.

    python benchmarks/many_slides.py [--slides 200] [--side 1024] [--cores 2] [--cold]

Seconds of the processor, which other work on the machine disturbs less than those of a clock; stages count theirs in
run.json. What is beside them is Snakemake, the commands that it starts, and the imports. `--cold` lets each stage start
an interpreter of its own, as on a cluster.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pathopipe.pipeline import STAGES
from pathopipe.synthetic import Scene, write_slide


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--slides", type=int, default=200)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--cold", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_sheets(folder, asked.slides, asked.side)
        run(folder, "first", asked.cores, warm=True)  # compiles
        wall, used = run(folder, "slides", asked.cores, not asked.cold)
        found = list(records(folder / "slides"))
    own = sum(record["cpu_seconds"] for record in found)
    held = sum(record["seconds"] * record["workers"] for record in found)
    print(f"{asked.slides} slides of {asked.side} x {asked.side} pixels, {asked.cores} cores, {len(found)} stages")
    print(f"processor: {used:.1f} s, {own:.1f} s of it in stages ({own / used:.0%})")
    print(f"beside the stages: {(used - own) / asked.slides:.2f} s per slide")
    print(f"clock: {wall:.1f} s, the cores held by stages for {held / wall / asked.cores:.0%} of it")


def write_sheets(folder: Path, slides: int, side: int) -> None:
    lines = ["slide\tpath"]
    for number in range(slides):
        name = f"s{number:03}"
        write_slide(Scene(side, side, seed=number), folder / f"{name}.tiff", levels=1)
        lines.append(f"{name}\t{name}.tiff")
    (folder / "slides.tsv").write_text("\n".join(lines) + "\n")
    (folder / "first.tsv").write_text("\n".join(lines[:2]) + "\n")


def run(folder: Path, sheet: str, cores: int, warm: bool) -> tuple[float, float]:
    """Seconds by the clock, and of the processor, with all that was started."""
    command = (sys.executable, "-m", "pathopipe", "run", "--cores", str(cores))
    command += ("--slides", f"{sheet}.tsv", "--results", sheet)
    environment = os.environ if warm else {**os.environ, "PATHOPIPE_WARM": "no"}
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - began, used


def records(results: Path) -> Iterator[dict[str, Any]]:
    """What the stages of all slides say of themselves."""
    for stage in STAGES:
        for file in results.glob(f"*/{stage}/run.json"):
            yield json.loads(file.read_text())


if __name__ == "__main__":
    main()
