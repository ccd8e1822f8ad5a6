"""Where a run takes place: profiles by name or folder, and what a local run is spared."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pathopipe.errors import RefusalError
from pathopipe.provenance import workflow_folder
from pathopipe.running.cluster import HERE, end_leftovers, environment, find_place

SHIPPED = workflow_folder() / "profiles"


def settings(name: str) -> dict[str, object]:
    return yaml.safe_load((SHIPPED / name / "profile.yaml").read_text())


def test_the_shipped_profiles_differ_in_how_jobs_are_asked_for_only() -> None:
    with_accounting, without = settings("slurm"), settings("slurm-no-accounting")
    assert with_accounting.pop("slurm-status-command") == "sacct"
    assert without.pop("slurm-status-command") == "squeue"
    assert with_accounting == without


def test_pods_hold_what_submissions_hold() -> None:
    slurm, kubernetes = settings("slurm"), settings("kubernetes")
    shared = [
        name
        for name in slurm
        if not name.startswith("slurm-") and name not in {"executor", "max-status-checks-per-second"}
    ]
    assert {name: kubernetes[name] for name in shared} == {name: slurm[name] for name in shared}


def test_every_stage_of_a_slide_but_detect_is_in_a_group() -> None:
    groups = settings("slurm")["groups"]
    assert groups == dict.fromkeys(("tissue", "quality", "tiles"), "before") | dict.fromkeys(
        ("segment", "features", "types", "statistics", "grade", "report"), "after"
    )


def test_fifty_slides_take_at_most_seventyfive_submissions() -> None:
    slides, batches = 50, settings("slurm")["group-components"]
    assert slides + sum(-(-slides // size) for size in batches.values()) <= 1.5 * slides


def test_a_profile_by_name_or_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "own"
    own.mkdir()
    (own / "profile.yaml").write_text("group-components: {after: 3}\n")
    assert find_place(None, SHIPPED) == HERE
    assert find_place(Path("default"), SHIPPED).arguments == ("--workflow-profile", str(SHIPPED / "default"))
    for way in (Path("own"), Path("./own"), own):
        place = find_place(way, SHIPPED)
        assert place.arguments == ("--workflow-profile", str(own))
        assert place.slide_by_slide == ("--group-components", "after=1")


def test_what_is_no_profile_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusalError, match=r"nor one of default, .*slurm, slurm-no-accounting"):
        find_place(tmp_path, SHIPPED)
    with pytest.raises(RefusalError, match="default, kubernetes"):
        find_place(tmp_path, SHIPPED)
    (tmp_path / "profile.yaml").write_text("executor: [")
    with pytest.raises(RefusalError, match="is not a profile"):
        find_place(tmp_path, SHIPPED)
    (tmp_path / "profile.yaml").write_text("executor: no-such-thing\n")
    with pytest.raises(RefusalError, match="pip install snakemake-executor-plugin-no-such-thing"):
        find_place(tmp_path, SHIPPED)


@pytest.mark.parametrize(
    ("python", "fine"),
    [
        ("/opt/a/bin/python", True),
        ("/opt/größe_1.2-3+x@y/bin/python", True),
        ("/opt/a b/bin/python", False),
        ("/opt/a\tb/bin/python", False),
        ("/opt/a'b/bin/python", False),
        ("/opt/$a/bin/python", False),
        ("/opt/a(1)/bin/python", False),
    ],
)
def test_jobs_elsewhere_need_a_python_that_a_shell_finds(
    python: str, fine: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", python)
    assert find_place(Path("default"), SHIPPED)
    if fine:
        assert find_place(Path("slurm"), SHIPPED).batches
        return
    for profile in ("slurm", "slurm-no-accounting", "kubernetes"):
        with pytest.raises(RefusalError, match="can't start jobs elsewhere with a Python whose path") as refusal:
            find_place(Path(profile), SHIPPED)
        assert str(refusal.value).startswith(f"{python}: ")


@pytest.mark.parametrize("argument", ["--executor=slurm", "-e", "--profile", "--workflow-profile=x"])
def test_only_a_run_that_may_go_elsewhere_finds_slurm(argument: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SNAKEMAKE_PROFILE", raising=False)
    monkeypatch.setenv("SLURM_CONF", "theirs")
    assert environment(Path("r"), ("--dry-run",))["SLURM_CONF"] == os.devnull
    assert environment(Path("r"), ("--dry-run", argument))["SLURM_CONF"] == "theirs"
    monkeypatch.setenv("SNAKEMAKE_PROFILE", "mine")
    assert environment(Path("r"), ())["SLURM_CONF"] == "theirs"


def test_a_cache_folder_that_the_user_names_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert environment(Path("/r"), ())["XDG_CACHE_HOME"] == "/r/.pathopipe/cache"
    monkeypatch.setenv("XDG_CACHE_HOME", "/mine")
    assert environment(Path("/r"), ())["XDG_CACHE_HOME"] == "/mine"


def commands(folder: Path, monkeypatch: pytest.MonkeyPatch, squeue: str) -> None:
    """Stand-ins for Slurm's commands: what they were called with is in the file ``calls``."""
    for name, script in {"squeue": squeue, "scancel": f'echo "$@" >> {folder}/calls'}.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_jobs_of_a_killed_run_are_cancelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = list[str]()
    commands(tmp_path, monkeypatch, f"[ -e {tmp_path}/calls ] || echo 17")
    log = tmp_path / "run.log"
    end_leftovers(log, said.append)
    log.write_text("Building DAG of jobs...\nSLURM run ID: ab-12\nUsing shell\n")
    end_leftovers(log, said.append)
    assert (tmp_path / "calls").read_text() == "--name ab-12\n"
    assert said == ["cancelling jobs that a killed run left in Slurm: 17"]


def test_a_slurm_that_does_not_answer_may_still_run_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands(tmp_path, monkeypatch, "exit 1")
    log = tmp_path / "run.log"
    log.write_text("SLURM run ID: ab-12\n")
    with pytest.raises(RefusalError, match="try again later"):
        end_leftovers(log, pytest.fail)


def test_the_command_refuses_an_unknown_profile(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pathopipe", "run", "--profile", "nowhere"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "--profile nowhere: is neither" in done.stderr
