"""Nothing leaves the machine, and nothing is written into the home folder: every command, watched in whole runs."""

import sys
from pathlib import Path

import pytest

from pathopipe.pipeline import ORDER as STAGES
from tests.cli.test_train import write_images
from tests.workflow.conftest import ROOT, Project, make_project
from tests.workflow.tracing import Trace, is_attempt, reason_against, traced

ANNOTATED = "--images annotated/images --labels annotated/labels --mpp 0.25"

watched = pytest.mark.skipif(reason_against() is not None, reason=str(reason_against()))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "a study").mkdir()
    return make_project(tmp_path / "a study", slides=1)


def check(project: Project, *commands: str, **environment: str) -> Trace:
    """Commands that have success try nothing at the network and leave the home folder empty."""
    line = " && ".join(f"'{sys.executable}' -m {command}" for command in commands)
    place, scratch = project.folder, project.folder.parent / "watched"
    seen = traced("sh", "-c", line, folder=place, scratch=scratch, **environment)
    assert seen.code == 0, seen.output
    stayed(seen)
    return seen


def stayed(seen: Trace) -> None:
    assert seen.attempts == ()
    assert seen.home == ()


@watched
@pytest.mark.parametrize(
    "attempt",
    [
        "getaddrinfo('name.invalid', 443)",
        "gethostbyname('name.invalid')",
        "create_connection(('192.0.2.1', 443), timeout=0.1)",
        "socket(AF_INET6).connect(('2001:db8::1', 443))",
        "socket(type=SOCK_DGRAM).sendto(b'x', ('127.0.0.53', 53))",
        "socket(type=SOCK_DGRAM).sendmsg([b'x'], [], 0, ('192.0.2.1', 9))",
    ],
)
def test_attempts_are_seen(tmp_path: Path, attempt: str) -> None:
    """Also failed ones, of a process that outlives the command that was watched."""
    inner = f"import contextlib\nfrom socket import *\nwith contextlib.suppress(OSError): {attempt}"
    program = (
        f"import os, sys\nif not os.fork() and not os.fork(): os.execv(sys.executable, ['python', '-c', {inner!r}])"
    )
    assert traced(sys.executable, "-c", program, folder=tmp_path, scratch=tmp_path / "watched").attempts


def test_what_stays_on_the_machine_is_no_attempt() -> None:
    assert not is_attempt('1 connect(3, {sa_family=AF_UNIX, sun_path=@"pathopipe-1"}, 20) = 0')
    assert not is_attempt("1 bind(3, {sa_family=AF_NETLINK, nl_pid=0, nl_groups=00000000}, 12) = 0")
    assert not is_attempt(
        '1 connect(3, {sa_family=AF_INET, sin_port=htons(1), sin_addr=inet_addr("127.0.0.1")}, 16) = 0'
    )


@watched
def test_a_run_and_what_is_asked_about_it(project: Project) -> None:
    """With the default model, in forks of the warm process."""
    others = ("status --all", "verify results", "cohort", "--version")
    seen = check(project, *(f"pathopipe {command}" for command in ("run --cores 2", *others)))
    assert sum("pathopipe.running.warm_process" in call for call in seen.started) == 1


@watched
def test_the_doctor(tmp_path: Path) -> None:
    """Whatever it finds: this disk may be almost full."""
    seen = traced(sys.executable, "-m", "pathopipe", "doctor", folder=tmp_path, scratch=tmp_path / "watched")
    assert "free disk space here" in seen.output
    stayed(seen)


@watched
@pytest.mark.slow
def test_slides_of_ones_own(project: Project) -> None:
    (project.folder / "slides.tsv").unlink()
    (project.folder / "config.yaml").unlink()
    check(project, "pathopipe init .", "pathopipe demo --slide 'slide 0.tiff' --cores 2")


@watched
@pytest.mark.slow
def test_stages_by_themselves(project: Project) -> None:
    seen = check(project, "pathopipe bench --slide 'slide 0.tiff'")
    for stage in STAGES:
        assert any(f'"pathopipe", "{stage}"' in call for call in seen.started)


@watched
@pytest.mark.slow
def test_snakemake_itself(project: Project, tmp_path: Path) -> None:
    """Without what it does itself: its plugin for Slurm seeks a controller, its cache is at home (docs/privacy.md)."""
    command = f"snakemake --snakefile '{ROOT / 'Snakefile'}' --configfile config.yaml --cores 2"
    check(project, command, SLURM_CONF="/dev/null", XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert (project.results / "cohort" / "index.html").exists()


@watched
@pytest.mark.slow
def test_training_and_evaluation(project: Project) -> None:
    write_images(project.folder / "annotated", 2)
    train = f"pathopipe train nuclei {ANNOTATED} --steps 1 --no-curve"
    evaluate = f"pathopipe evaluate nuclei {ANNOTATED} --model trained/mine.safetensors --model classical"
    check(project, train, evaluate)


def test_a_run_needs_no_home_folder(fresh: Project, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("is no folder")
    done = fresh.run("--until", "tiles", HOME=str(tmp_path / "home"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert (fresh.results / "s0" / "tiles" / "manifest.json").exists()
