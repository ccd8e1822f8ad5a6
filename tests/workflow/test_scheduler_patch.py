"""The scheduler of a run looks for jobs when one has ended, unless somebody limits the rate at which they start."""

from types import SimpleNamespace

import pytest
from snakemake.cli import get_argument_parser
from snakemake.scheduling.job_scheduler import JobRateLimiter
from snakemake.settings.types import MaxJobsPerTimespan

from pathopipe.running.scheduler_patch import calm
from tests.workflow.conftest import ROOT, Project

ASKING = """
include: "{snakefile}"

onsuccess:
    print("limit:", workflow.scheduler.job_rate_limiter)
"""


def test_a_limit_that_nobody_asked_for_is_taken_away() -> None:
    unasked = MaxJobsPerTimespan.parse_choice(get_argument_parser().get_default("max_jobs_per_timespan"))
    for limit, left in ((unasked, False), (MaxJobsPerTimespan.parse_choice("50/1m"), True)):
        scheduler = SimpleNamespace(job_rate_limiter=JobRateLimiter(limit))
        calm(scheduler)
        assert (scheduler.job_rate_limiter is not None) == left
    calm(SimpleNamespace(job_rate_limiter=None))


@pytest.mark.parametrize(("options", "limited"), [((), False), (("--max-jobs-per-timespan", "50/1s"), True)])
def test_a_run_is_calm(fresh: Project, options: tuple[str, ...], limited: bool) -> None:
    (fresh.folder / "Snakefile").write_text(ASKING.format(snakefile=ROOT / "Snakefile"))
    command = ("snakemake", "--cores", "1", "--configfile", "config.yaml", *options, "--", "s0/tissue/manifest.json")
    done = fresh.call(*command)
    assert done.returncode == 0, done.stderr
    assert ("limit: None" in done.stdout + done.stderr) != limited
    assert "limit: " in done.stdout + done.stderr
