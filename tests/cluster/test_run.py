"""A cohort on a real Slurm: the same results as at home, in few submissions."""

import pytest

from tests.cluster.conftest import GOOD, ClusterProject
from tests.cluster.watching import Watch, contents, differing, states
from tests.workflow.conftest import Project, log_of

pytestmark = pytest.mark.slow


def test_a_cohort_with_a_corrupt_slide(cluster: ClusterProject, at_home: Project) -> None:
    before = set(cluster.slurm.jobs())
    with Watch(cluster.results) as watch:
        done = cluster.run_on_cluster()
    assert done.returncode == 0, done.stdout + done.stderr + log_of(cluster)
    everything = (*GOOD, "corrupt")
    assert differing(contents(cluster, *everything), contents(at_home, *everything)) == []
    assert states(cluster) == {"done": 4, "rejected": 1}
    assert watch.times("detect") == dict.fromkeys(everything, 1)
    assert watch.times("tissue") == watch.times("report") == dict.fromkeys(everything, 1)
    # One submission before detect, one per slide for detect, two after it, of at most four slides.
    jobs = [job for number, job in cluster.slurm.jobs().items() if number not in before]
    assert {job["JobState"] for job in jobs} == {"COMPLETED"}
    assert len(jobs) == 1 + 5 + 2
    again = cluster.run_on_cluster()
    assert again.returncode == 0, again.stderr
    assert set(cluster.slurm.jobs()) == before | {int(job["JobId"]) for job in jobs}
