"""The plugin for Slurm, when the controller does not answer."""

import sys
from types import SimpleNamespace

import pytest

from pathopipe.running.slurm_patch import remember_job_age


def test_the_age_of_jobs_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([None, 300, None, 400])
    plugin = SimpleNamespace(get_min_job_age=lambda: next(answers))
    monkeypatch.setitem(sys.modules, "snakemake_executor_plugin_slurm", plugin)
    remember_job_age()
    remember_job_age()
    assert [plugin.get_min_job_age() for _ in range(4)] == [None, 300, 300, 400]


def test_nothing_happens_without_the_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "snakemake_executor_plugin_slurm", raising=False)
    remember_job_age()
    assert "snakemake_executor_plugin_slurm" not in sys.modules
