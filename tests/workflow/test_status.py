"""`pathopipe status` beside a real run."""

import contextlib
import json
import os
import signal
import time

from tests.workflow.conftest import Project
from tests.workflow.test_faults import start


def status(project: Project) -> dict:
    asked = project.run("--json", command=("status",))
    assert asked.returncode == 0, asked.stderr
    return json.loads(asked.stdout)["s0"]


def test_a_run_is_seen_while_it_goes_on_and_when_it_was_killed(fresh: Project) -> None:
    process = start(fresh)
    work = fresh.results / "s0" / ".work" / "detect"
    jobs = None
    while jobs is None and process.poll() is None:
        time.sleep(0.01)
        with contextlib.suppress(FileNotFoundError, ValueError):  # not there yet, not written yet
            jobs = json.loads((work / "owner.json").read_text())["processes"]
    assert jobs
    for job in jobs:  # it must not finish before it is looked at
        os.kill(int(job), signal.SIGSTOP)
    try:
        seen = status(fresh)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        for job in jobs:
            with contextlib.suppress(ProcessLookupError):  # a fork ends with its command
                os.kill(int(job), signal.SIGKILL)
        process.wait()
    assert seen["state"] == seen["stages"]["detect"]["state"] == "running"
    assert seen["stages"]["tiles"]["state"] == "done"
    assert status(fresh)["stages"]["detect"]["state"] == "failed"
    assert fresh.run().returncode == 0
    assert status(fresh)["state"] == "done"
