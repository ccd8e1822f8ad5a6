"""What happened in a results folder while others worked on it."""

import contextlib
import json
import shutil
import threading
from collections import Counter
from pathlib import Path

from pathopipe.pipeline import STAGES
from pathopipe.results.names import RUN
from tests.workflow.conftest import Project


class Watch:
    """Counts how often each stage of each slide was finished while the block runs: `run.json` differs each time."""

    def __init__(self, results: Path) -> None:
        self._results = results
        self._seen: set[tuple[str, str, str]] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._look()

    def times(self, stage: str) -> dict[str, int]:
        """How often the stage was finished, by slide."""
        return dict(Counter(slide for slide, name, _ in self._seen if name == stage))

    def finished(self, stage: str) -> int:
        """Slides that have the stage behind them, now."""
        return len(list(self._results.glob(f"*/{stage}/manifest.json")))

    def _poll(self) -> None:
        while not self._stop.wait(0.1):
            self._look()

    def _look(self) -> None:
        for stage in STAGES:
            for file in self._results.glob(f"*/{stage}/{RUN}"):
                with contextlib.suppress(OSError):
                    self._seen.add((file.parts[-3], stage, file.read_text()))


def states(project: Project) -> dict[str, int]:
    """Slides by state, as the cohort counts them."""
    counts = json.loads((project.results / "cohort" / "manifest.json").read_text())["counts"]
    return {state: count for state, count in counts.items() if count}


def contents(project: Project, *slides: str) -> dict[str, bytes]:
    """Every file of the slides and of the cohort that must be the same for each run, by name."""
    folders = [project.results / slide / stage for slide in slides for stage in STAGES]
    files = [file for folder in (*folders, project.results / "cohort") for file in folder.iterdir() if file.is_file()]
    return {str(file.relative_to(project.results)): file.read_bytes() for file in files if file.name != RUN}


def gathered(home: Project, folder: Path, *slides: str) -> Project:
    """A copy of a cohort, as it would be if its sheet listed these slides only."""
    project = Project(Path(shutil.copytree(home.folder, folder)))
    project.write_sheet(*(f"{slide}\t{slide}.tiff\t" for slide in slides))
    done = project.run(command=("cohort",))
    assert done.returncode == 0, done.stderr
    return project


def differing(one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    """Names of files that only one has, or that differ."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
