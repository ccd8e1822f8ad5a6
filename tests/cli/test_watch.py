"""What is read from Snakemake's log."""

from pathopipe.cli.watch import State

GROUPED = """
Group job 1f6a (jobs in lexicogr. order):
    [Tue Nov 24 18:02:48 2026]
    rule grade:
        jobid: 7
        wildcards: slide=s0
    [Tue Nov 24 18:02:48 2026]
    rule report:
        output: s0/report/report.html
        jobid: 8
        wildcards: slide=s0
rule detect:
    jobid: 12
    wildcards: slide=s1
Finished jobid: 7 (Rule: grade)
Finished jobid: 8 (Rule: report)
"""


def test_jobs_of_a_group_are_not_taken_for_running_but_their_end_is_noticed() -> None:
    state = State()
    state.read_all(GROUPED.splitlines())
    assert state.running == {12: ("detect", "s1")}
    assert state.finished_slides == ["s0"]
