"""What we patch of Snakemake and its plugin for Slurm is there in the versions installed; where it isn't, we say so."""

import asyncio
import importlib
import inspect
import logging
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake import io
from snakemake.jobs import GroupJob
from snakemake.scheduling.job_scheduler import JobRateLimiter, JobScheduler
from snakemake.settings.types import MaxJobsPerTimespan

from pathopipe.errors import RefusalError
from pathopipe.running.link_patch import spare_links
from pathopipe.running.scheduler_patch import calm
from pathopipe.running.slurm_patch import remember_job_age, report_failed_submissions

SLURM = "snakemake_executor_plugin_slurm"


def test_the_installed_plugin_for_slurm_asks_as_we_patch_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plugin = importlib.import_module(SLURM)
    monkeypatch.setattr(plugin, "get_min_job_age", iter([300, None]).__next__)
    remember_job_age()
    assert "get_min_job_age()" in inspect.getsource(plugin.Executor)
    assert [plugin.get_min_job_age() for _ in range(2)] == [300, 300]
    assert not caplog.records


def test_the_age_of_jobs_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([None, 300, None, 400])
    plugin = SimpleNamespace(get_min_job_age=lambda: next(answers))
    monkeypatch.setitem(sys.modules, SLURM, plugin)
    remember_job_age()
    remember_job_age()
    assert [plugin.get_min_job_age() for _ in range(4)] == [None, 300, 300, 400]


def test_nothing_happens_without_the_plugin(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.delitem(sys.modules, SLURM, raising=False)
    remember_job_age()
    report_failed_submissions()
    assert SLURM not in sys.modules
    assert not caplog.records


def test_another_plugin_is_told_of_and_left(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setitem(sys.modules, SLURM, SimpleNamespace())
    remember_job_age()
    (record,) = caplog.records
    assert record.getMessage().startswith("warning: snakemake-executor-plugin-slurm 2.")
    assert (
        "has no 'get_min_job_age', which pathopipe patches: the run continues without that patch" in record.getMessage()
    )


@pytest.fixture
def slurm_executor(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The installed plugin's way of submitting, patched, where nothing can be written; keeps what it reports."""
    plugin = importlib.import_module(SLURM)
    monkeypatch.setattr(plugin.Executor, "run_job", plugin.Executor.run_job)
    report_failed_submissions()
    report_failed_submissions()
    reported = list[tuple[str, str]]()
    return SimpleNamespace(
        slurm_logdir=Path("/dev/full/logs"),
        logger=logging.getLogger("submission"),
        run_job=plugin.Executor.run_job,
        reported=reported,
        _report_job_error_threadsafe=lambda info, message: reported.append((info.job.name, message)),
    )


def test_a_group_that_cannot_be_submitted_fails(slurm_executor: SimpleNamespace) -> None:
    assert not hasattr(GroupJob, "rule")  # which the plugin asks for
    group = SimpleNamespace(name="before", is_group=lambda: True, jobs=[])
    slurm_executor.run_job(slurm_executor, group)
    ((name, message),) = slurm_executor.reported
    assert name == "before"
    assert message.startswith("it can't be submitted: ")
    assert "/dev/full" in message


def test_a_job_that_cannot_be_submitted_is_reported_once(slurm_executor: SimpleNamespace) -> None:
    job = SimpleNamespace(name="detect", rule=SimpleNamespace(name="detect"), is_group=lambda: False, wildcards={})
    slurm_executor.run_job(slurm_executor, job)
    assert [name for name, _ in slurm_executor.reported] == ["detect"]


@pytest.mark.parametrize("name", ["run_job", "_report_job_error_threadsafe"])
def test_another_executor_is_told_of_and_left(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    others = {"run_job", "_report_job_error_threadsafe"} - {name}
    executor = SimpleNamespace(**dict.fromkeys(others, print))
    monkeypatch.setitem(sys.modules, SLURM, SimpleNamespace(Executor=executor))
    report_failed_submissions()
    (record,) = caplog.records
    assert f"has no '{name}', which pathopipe patches: the run continues without that patch" in record.getMessage()
    assert getattr(executor, "run_job", print) is print


def test_the_installed_scheduler_is_calmed(caplog: pytest.LogCaptureFixture) -> None:
    assert "self.job_rate_limiter is None" in inspect.getsource(JobScheduler)
    scheduler = SimpleNamespace(job_rate_limiter=JobRateLimiter(MaxJobsPerTimespan.parse_choice("100/1s")))
    calm(scheduler)
    assert scheduler.job_rate_limiter is None
    assert not caplog.records


@pytest.mark.parametrize("scheduler", [SimpleNamespace(), SimpleNamespace(job_rate_limiter=object())])
def test_another_scheduler_is_told_of_and_left(scheduler: SimpleNamespace, caplog: pytest.LogCaptureFixture) -> None:
    calm(scheduler)
    (record,) = caplog.records
    assert record.getMessage().startswith("warning: snakemake 9.")
    assert (
        "has no 'job_rate_limiter', which pathopipe patches: the run continues without that patch"
        in record.getMessage()
    )


@pytest.fixture
def spared(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Undoes what is patched here."""
    monkeypatch.setattr(io, "remove", io.remove)
    for name in ("prepare", "touch_or_create"):
        monkeypatch.setattr(io._IOFile, name, getattr(io._IOFile, name))
    return monkeypatch


def test_the_installed_snakemake_spares_links(spared: pytest.MonkeyPatch, tmp_path: Path) -> None:
    results = tmp_path / "results"
    (tmp_path / "elsewhere").mkdir()
    (results / "s0").mkdir(parents=True)
    for name in ("elsewhere/file", "results/s0/file"):
        (tmp_path / name).write_text("x")
    (results / "s1").symlink_to(tmp_path / "elsewhere")
    spare_links(results)
    for slide in ("s0", "s1"):
        asyncio.run(io.remove(str(results / slide / "file"), only_local=True))
    assert not (results / "s0" / "file").exists()
    assert (tmp_path / "elsewhere" / "file").exists()


@pytest.mark.parametrize("name", ["remove", "prepare", "touch_or_create"])
def test_a_snakemake_that_would_follow_links_is_refused(spared: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    spared.delattr(io if name == "remove" else io._IOFile, name)
    others = {other: getattr(io._IOFile, other, None) for other in ("prepare", "touch_or_create")}
    with pytest.raises(RefusalError, match=f"snakemake 9.* has no '{name}', which .* install snakemake"):
        spare_links(tmp_path)
    assert {other: getattr(io._IOFile, other, None) for other in others} == others
