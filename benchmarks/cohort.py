"""A cohort of thousands: what a dry run costs, which checks the sheet, identifies the files and builds the whole DAG.

    python benchmarks/cohort.py [--slides 5000]

The slides are files that only look like slides: a dry run identifies them and decodes nothing. Prints seconds by the
clock and of the processor, and the peak memory of the largest process: of `pathopipe run -- --dry-run`, and of our
part of it, which is done twice (by `pathopipe run` and by the Snakefile).
"""

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PLAN = "from pathopipe.workflow import plan; plan({'slides': 'slides.tsv', 'results': 'results'})"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--slides", type=int, default=5000)
    slides = parser.parse_args().slides
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_sheet(folder, slides)
        print(f"{slides} slides, {os.cpu_count()} cores")
        measure("our part, files not seen before", folder, "-c", PLAN)
        measure("our part, files seen before", folder, "-c", PLAN)
        measure("dry run", folder, "-m", "pathopipe", "run", "--", "--dry-run", "--quiet", "rules")


def write_sheet(folder: Path, slides: int) -> None:
    lines = ["slide\tpath\tpatient"]
    for number in range(slides):
        (folder / f"{number}.tiff").write_bytes(b"II*\0" + number.to_bytes(4, "big") * 1000)
        lines.append(f"slide_{number:05}\t{number}.tiff\tP{number // 2}")
    (folder / "slides.tsv").write_text("\n".join(lines) + "\n")


def measure(title: str, folder: Path, *arguments: str) -> None:
    """Run Python and print what it took; each call starts larger processes than the one before."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run((sys.executable, *arguments), cwd=folder, check=True, capture_output=True, text=True)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    jobs = re.search(r"^total +(\d+)", done.stdout, re.MULTILINE)
    planned = f", {jobs[1]} jobs planned" if jobs else ""
    print(
        f"{title}: {wall:.1f} s by the clock, {used:.1f} s of the processor, {after.ru_maxrss / 1024:.0f} MB{planned}"
    )


if __name__ == "__main__":
    main()
