"""Start-up: one nearly empty slide through all stages, and what of the time is not the stages' own work.

    python benchmarks/overhead.py
    PATHOPIPE_WARM=no python benchmarks/overhead.py     # each stage a process of its own

Prints seconds of `pathopipe run` after a first run that compiles, what of it the eight stages worked, and the ratio of
the whole to the import of Snakemake alone, which no workflow can be faster than.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pathopipe.pipeline import STAGES
from pathopipe.synthetic import Scene, write_slide

RUNS = 3


def seconds(*command: str, folder: Path) -> float:
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def own_seconds(results: Path) -> float:
    """Seconds of the stages' own work, as they noted it, without the start of their processes."""
    folders = (*(results / "s" / stage for stage in STAGES), results / "cohort")
    return sum(json.loads((folder / "run.json").read_text())["seconds"] for folder in folders)


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_slide(Scene(1024, 1024, seed=1), folder / "s.tiff", levels=1)
        (folder / "slides.tsv").write_text("slide\tpath\ns\ts.tiff\n")
        run = (sys.executable, "-m", "pathopipe", "run", "--cores", "2")
        times = [seconds(*run, "--results", f"results{number}", folder=folder) for number in range(RUNS + 1)][1:]
        again = seconds(*run, "--results", "results1", folder=folder)
        bare = statistics.median(
            seconds(sys.executable, "-c", "import snakemake.cli", folder=folder) for _ in range(RUNS)
        )
        own = statistics.median(own_seconds(folder / f"results{number}") for number in range(1, RUNS + 1))
    whole = statistics.median(times)
    print(f"cores {os.cpu_count()}")
    print(f"whole run, median of {RUNS}: {whole:.1f} s (from {min(times):.1f} to {max(times):.1f})")
    print(f"of it the stages' own work: {own:.1f} s")
    print(f"a second run, nothing to do: {again:.1f} s")
    print(f"ratio of the whole run to importing Snakemake ({bare:.2f} s): {whole / bare:.1f}")


if __name__ == "__main__":
    main()
