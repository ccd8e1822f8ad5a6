"""Kill whole runs at random moments, let the same command end them, and compare every byte with an undisturbed run.

    python benchmarks/kills.py --count 60

Each run is killed once, with its whole process group, after a random share of the time that an undisturbed run takes.
Prints how many were killed in the middle, and what differed or was left behind.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pathopipe.synthetic import Scene, write_slide

COMMAND = [sys.executable, "-m", "pathopipe", "run", "--cores", "2"]
OWN = {".pathopipe", ".snakemake", "logs"}


def contents(results: Path) -> dict[str, bytes]:
    files = (path for path in results.rglob("*") if path.is_file() and path.name != "run.json")
    named = ((path.relative_to(results), path) for path in files)
    return {str(name): path.read_bytes() for name, path in named if not OWN & set(name.parts)}


def killed(folder: Path, after_s: float) -> bool:
    """Start a run and kill it; returns whether it was still going on."""
    run = subprocess.Popen(
        COMMAND, cwd=folder, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        run.wait(after_s)
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        return True
    return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)  # noqa: S311 (moments, not secrets)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for number in range(2):
            write_slide(Scene(640, 512, seed=number, tissue="field"), folder / f"{number}.tiff", levels=1)
        (folder / "slides.tsv").write_text("slide\tpath\na\t0.tiff\nb\t1.tiff\n")
        subprocess.run(COMMAND, cwd=folder, check=True, capture_output=True)
        shutil.rmtree(folder / "results")
        began = time.monotonic()
        subprocess.run(COMMAND, cwd=folder, check=True, capture_output=True)
        whole_s, expected = time.monotonic() - began, contents(folder / "results")
        midway, bad = 0, 0
        for number in range(arguments.count):
            shutil.rmtree(folder / "results")
            midway += killed(folder, draw.uniform(0.02, 1.0) * whole_s)
            done = subprocess.run(COMMAND, cwd=folder, check=False, capture_output=True, text=True)
            found = contents(folder / "results")
            differing = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
            if done.returncode or differing:
                bad += 1
                print(
                    f"kill {number}: code {done.returncode}, differing or left: {differing}", done.stdout, done.stderr
                )
        print(
            f"{arguments.count} runs of {whole_s:.1f} s, {midway} killed midway; {bad} ended otherwise than undisturbed"
        )


if __name__ == "__main__":
    main()
