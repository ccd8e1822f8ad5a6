"""A cohort of thousands: what a dry run costs, which checks the sheet, identifies the files and builds the whole DAG,
and what the cohort's page and `pathopipe status` cost when all slides are done.

    python benchmarks/cohort.py [--slides 5000]

The slides are files that only look like slides: a dry run identifies them and decodes nothing. Prints seconds by the
clock and of the processor, and the peak memory of the largest process: of `pathopipe run -- --dry-run`, and of our
part of it, which is done twice (by `pathopipe run` and by the Snakefile). The finished slides are copies of one.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SLIDE = "from pathopipe.synthetic import Scene, write_slide; write_slide(Scene(1024, 1024, seed=1), '0.tiff', levels=1)"
PLAN = "from pathopipe.pipeline import Config; from pathopipe.running.preparing import prepare; prepare(Config())"


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
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_finished(folder, slides)
        measure("status, all done", folder, "-m", "pathopipe", "status")
        measure("cohort, all done", folder, "-m", "pathopipe", "cohort")


def write_sheet(folder: Path, slides: int) -> None:
    lines = ["slide\tpath\tpatient"]
    for number in range(slides):
        (folder / f"{number}.tiff").write_bytes(b"II*\0" + number.to_bytes(4, "big") * 1000)
        lines.append(f"slide_{number:05}\t{number}.tiff\tP{number // 2}")
    (folder / "slides.tsv").write_text("\n".join(lines) + "\n")


def write_finished(folder: Path, slides: int) -> None:
    """Write a sheet of copies of one slide, and results of each: those of the first with the name exchanged."""
    first = "slide_00000"
    subprocess.run((sys.executable, "-c", SLIDE), cwd=folder, check=True)
    sheet = folder / "slides.tsv"
    sheet.write_text(f"slide\tpath\n{first}\t0.tiff\n")
    subprocess.run((sys.executable, "-m", "pathopipe", "run"), cwd=folder, check=True, stdout=subprocess.DEVNULL)
    done = {path: path.read_bytes() for path in (folder / "results" / first).rglob("*") if path.is_file()}
    names = [f"slide_{number:05}" for number in range(1, slides)]
    for number, name in enumerate(names, 1):
        os.link(folder / "0.tiff", folder / f"{number}.tiff")
        for path, content in done.items():
            copy = folder / "results" / name / path.relative_to(folder / "results" / first)
            copy.parent.mkdir(parents=True, exist_ok=True)
            if first.encode() in content:
                copy.write_bytes(content.replace(first.encode(), name.encode()))
            else:
                os.link(path, copy)
    with sheet.open("a") as lines:
        lines.writelines(f"{name}\t{number}.tiff\n" for number, name in enumerate(names, 1))


def measure(title: str, folder: Path, *arguments: str) -> None:
    """Run Python and print what it and its children took."""
    began = time.perf_counter()
    with (folder / "said").open("w") as said:
        process = subprocess.Popen((sys.executable, *arguments), cwd=folder, stdout=said, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall, words = time.perf_counter() - began, Path(said.name).read_text()
    if process.returncode:
        sys.exit(f"{title} failed:\n{words}")
    jobs = re.search(r"^total +(\d+)", words, re.MULTILINE)
    planned = f", {jobs[1]} jobs planned" if jobs else ""
    spent, memory = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
    print(f"{title}: {wall:.1f} s by the clock, {spent:.1f} s of the processor, {memory:.0f} MB{planned}")


if __name__ == "__main__":
    main()
