"""Events of Snakemake's process, as its logger tells them, among what else it writes."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pathopipe.running.events import ASK_FOR_EVENTS, receive_events, send_events

WORKFLOW = """
from pathopipe.running.events import send_events, send_warning

send_events()
send_warning("mind the gap")


rule all:
    input: "a/tissue.txt", "b/tissue.txt"


rule tissue:
    output: "{slide}/tissue.txt"
    log: "{slide}/tissue.log"
    retries: 1
    shell:
        "echo 'pathopipe: no luck' > {log}; "
        "printf 'half a line'; env | (grep -c PATHOPIPE_EVENTS || true) > {output}; test {wildcards.slide} = a"
"""


def run(folder: Path, *options: str) -> tuple[list[dict], str]:
    """What Snakemake tells of a job that succeeds and one that fails twice, and what it writes besides."""
    (folder / "Snakefile").write_text(WORKFLOW)
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--scheduler", "greedy", "--keep-going", *options]
    environment = {"PATH": "/usr/bin:/bin", "XDG_CACHE_HOME": str(folder), "SLURM_CONF": "/dev/null", **ASK_FOR_EVENTS}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    others = list[str]()
    return list(receive_events(done.stdout.splitlines(keepends=True), others.append)), "".join(others) + done.stderr


@pytest.mark.parametrize("options", [(), ("--quiet", "rules")])
def test_what_snakemake_tells(tmp_path: Path, options: tuple[str, ...]) -> None:
    """Also where it is told to be quiet; jobs are not asked for events, and the log is as it always is."""
    events, others = run(tmp_path, *options)
    assert events[:2] == [
        {"what": "warning", "sentence": "mind the gap"},
        {"what": "planned", "jobs": {"tissue": 2, "all": 1, "total": 3}},
    ]
    assert "warning: mind the gap\n" in others
    whats = {slide: [] for slide in "ab"}
    slides = {event["job"]: event["slide"] for event in events if event["what"] == "started"}
    for event in events[2:]:
        if event["what"] != "progress":
            whats[slides[event["job"]]].append(event["what"])
    assert whats == {"a": ["started", "finished"], "b": ["started", "failed"] * 2}
    assert [event["said"] for event in events if event["what"] == "failed"] == ["pathopipe: no luck"] * 2
    assert {"what": "progress", "done": 1, "total": 3} in events
    assert {(event["stage"], event["grouped"]) for event in events if event["what"] == "started"} == {("tissue", False)}
    assert (tmp_path / "a" / "tissue.txt").read_text() == "0\n"
    assert "half a line" in others
    assert ("localrule tissue:" in others) == (not options)


def test_a_process_that_is_not_asked_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    logger = logging.getLogger("snakemake.logging")
    before = list(logger.handlers)
    send_events()
    assert logger.handlers == before
    for name, value in ASK_FOR_EVENTS.items():
        monkeypatch.setenv(name, value)
    send_events()
    (added,) = set(logger.handlers) - set(before)
    logger.removeHandler(added)
    assert not set(ASK_FOR_EVENTS) & set(os.environ)
