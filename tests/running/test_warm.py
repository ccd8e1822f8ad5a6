"""A stage as a fork of a warm process does what it does by itself, and ends with those who wait for it."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pathopipe.running import warm
from pathopipe.synthetic import Scene, write_slide

PATHOPIPE = [sys.executable, "-m", "pathopipe"]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has what it takes")


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Iterator["subprocess.Popen[bytes]"]:
    monkeypatch.setenv("PATHOPIPE_WARM", "")
    started = warm.start("pathopipe.cli.app:call", "pathopipe.cli.stage")
    assert started
    assert started.stdin
    yield started
    started.stdin.close()
    assert started.wait(timeout=20) == 0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_slide(Scene(512, 512), tmp_path / "a.tiff", levels=1)
    (tmp_path / "slides.tsv").write_text("slide\tpath\na\ta.tiff\n")
    return tmp_path


def tissue(folder: Path, results: str) -> "subprocess.Popen[str]":
    """Start the stage; nobody else knows the number of its process."""
    command = [*PATHOPIPE, "tissue", "a", "--results", results]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ran_in(folder: Path, results: str) -> int:
    return int(json.loads((folder / results / "a" / "tissue" / "run.json").read_text())["process"])


def test_a_fork_writes_the_same_files_and_says_the_same(
    folder: Path, process: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch
) -> None:
    with tissue(folder, "warm") as warm_job:
        said = warm_job.communicate()
    monkeypatch.delenv("PATHOPIPE_WARM")
    with tissue(folder, "cold") as cold_job:
        assert cold_job.communicate() == said
    assert said[0].startswith("a tissue: ")
    assert warm_job.returncode == cold_job.returncode == 0
    assert ran_in(folder, "warm") != warm_job.pid
    assert ran_in(folder, "cold") == cold_job.pid
    for name in ("manifest.json", "tissue.geojson", "thumbnail.jpg"):
        assert (folder / "warm/a/tissue" / name).read_bytes() == (folder / "cold/a/tissue" / name).read_bytes()


def test_a_refusal_has_its_code_and_its_words(folder: Path, process: "subprocess.Popen[bytes]") -> None:
    (folder / "slides.tsv").write_text("slide\tpath\nb\tb.tiff\n")
    with tissue(folder, "results") as job:
        _, errors = job.communicate()
    assert job.returncode == 2
    assert errors.startswith("pathopipe: ")


def test_a_process_of_another_run_is_not_taken(folder: Path, process: "subprocess.Popen[bytes]") -> None:
    # An orphan: its parent ends at once.
    script = f"(sleep 1; exec {shlex.join(PATHOPIPE)} tissue a --results results) > said 2>&1 &"
    subprocess.run(["setsid", "sh", "-c", script], cwd=folder, check=True)
    said, deadline = folder / "said", time.monotonic() + 60
    while not (said.exists() and said.read_text()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert said.read_text().startswith("a tissue: ")
    assert psutil.Process(process.pid).children() == []


def waiting_fork(folder: Path, process: "subprocess.Popen[bytes]") -> tuple["subprocess.Popen[str]", psutil.Process]:
    """A stage that waits for its sample sheet, a pipe that nobody writes to, and the fork that does so for it."""
    (folder / "slides.tsv").unlink()
    os.mkfifo(folder / "slides.tsv")
    job = tissue(folder, "results")
    writer = os.open(folder / "slides.tsv", os.O_WRONLY)  # returns when the fork has opened it
    os.set_inheritable(writer, False)
    forks = psutil.Process(process.pid).children()
    assert len(forks) == 1
    return job, forks[0]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_fork_ends_with_the_command(folder: Path, process: "subprocess.Popen[bytes]", number: int) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would hand down that it is deaf
    job, fork = waiting_fork(folder, process)
    with job:
        job.send_signal(number)
        assert psutil.wait_procs([fork], timeout=20)[1] == []


def test_forks_end_with_the_process_and_the_command_is_told(folder: Path, process: "subprocess.Popen[bytes]") -> None:
    job, fork = waiting_fork(folder, process)
    with job:
        assert process.stdin
        process.stdin.close()
        assert job.wait(timeout=20) == 137
        assert psutil.wait_procs([fork], timeout=20)[1] == []


def test_without_the_process_a_command_runs_by_itself(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATHOPIPE_WARM", "pathopipe-of-a-dead-run")
    with tissue(folder, "results") as job:
        job.communicate()
    assert job.returncode == 0
    assert ran_in(folder, "results") == job.pid


def test_what_is_prepared_starts_no_threads_of_python() -> None:
    """A fork has only the thread that forks; jemalloc, of pyarrow, starts its own one again."""
    script = (
        "import os; from pathlib import Path; from pathopipe.running.warm_process import preparations\n"
        "for step in preparations(): step()\n"
        "print({(task / 'comm').read_text().strip() for task in Path('/proc/self/task').iterdir()"
        " if int(task.name) != os.getpid()})"
    )
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    ended = subprocess.run([sys.executable, "-c", script], env=environment, check=True, capture_output=True, text=True)
    assert ended.stdout.strip() in {"set()", "{'jemalloc_bg_thd'}"}
