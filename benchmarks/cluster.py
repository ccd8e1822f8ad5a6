"""Orchestration on Slurm: a cohort of tiny slides on a Slurm of this machine, and what is not the stages' own work.

    PYTHONPATH=. python benchmarks/cluster.py --slides 50

Starts munge, slurmctld and slurmd in a scratch folder (Slurm's packages must be installed), with as many processors as
there are cores and one for each submission, and prints submissions and overhead per slide. The overhead is the time of
the run, less what the stages' own work takes on all cores.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.cluster.local_slurm import local_slurm

from pathopipe.pipeline import STAGES
from pathopipe.synthetic import Scene, write_slide


def make_cohort(folder: Path, slides: int) -> None:
    rows = ["slide\tpath"]
    for number in range(slides):
        write_slide(Scene(512, 512, seed=number, tissue="field"), folder / f"s{number}.tiff", levels=1)
        rows.append(f"s{number}\ts{number}.tiff")
    (folder / "slides.tsv").write_text("\n".join(rows) + "\n")
    (folder / "config.yaml").write_text("detect:\n  model: classical\n")


def own_work(results: Path) -> float:
    """Seconds that the stages of all slides worked, as they say themselves."""
    records = [json.loads(file.read_text()) for stage in STAGES for file in results.glob(f"*/{stage}/run.json")]
    return sum(record["seconds"] for record in records)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--slides", type=int, default=50)
    slides, cores = parser.parse_args().slides, os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as scratch:
        project, daemons = Path(scratch) / "project", Path(scratch) / "slurm"
        project.mkdir()
        daemons.mkdir()
        make_cohort(project, slides)
        with local_slurm(daemons, cores) as slurm:
            command = [sys.executable, "-m", "pathopipe", "run", "--profile", "slurm-no-accounting", "--cores", "1"]
            start = time.perf_counter()
            subprocess.run(command, cwd=project, env={**os.environ, **slurm.environment}, check=True)
            whole = time.perf_counter() - start
            submissions = len(slurm.jobs())
        work = own_work(project / "results")
    cores = os.cpu_count() or 1
    print(
        f"{slides} slides, {cores} cores: {whole:.0f} s, of it the stages' own work on all cores {work / cores:.0f} s"
    )
    print(f"submissions per slide: {submissions / slides:.2f}")
    print(f"overhead per slide: {(whole - work / cores) / slides:.1f} s")


if __name__ == "__main__":
    main()
