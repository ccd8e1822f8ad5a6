"""The workflow that trains on one cohort and grades another: its plan."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_one_target_describes_trains_and_grades(tmp_path):
    for name in ("my train.tsv", "test.tsv"):
        (tmp_path / name).write_text("slide\tpath\n")
    asked = ["--config", "learn=my train.tsv", "grade=test.tsv", "label=gleason", "--dry-run", "--printshellcmds"]
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "-s",
        str(ROOT / "workflow" / "own_grader.smk"),
        "--cores",
        "2",
        *asked,
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert (
        "pathopipe run --cores 2 --until statistics --set 'slides=my train.tsv' --set results=own_grader/learned"
        in said
    )
    assert "pathopipe train grade --slides 'my train.tsv' --results own_grader/learned --label gleason" in said
    assert "--set grade.grader=own_grader/grader/own.safetensors" in said
    assert not (tmp_path / "own_grader" / "graded.done").exists()
