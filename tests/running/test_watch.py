"""What is read from Snakemake's log."""

from pathopipe.running.watch import Event, State

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
"""
ENDED = """
Finished jobid: 7 (Rule: grade)
Finished jobid: 8 (Rule: report)
"""
GROUP_FAILED = """
[Tue Nov 24 18:02:51 2026]
    jobs:
        rule grade:
            jobid: 7
            output: s0/grade/grade.json
        rule report:
            jobid: 8
Select jobs to execute...
rule segment:
    jobid: 13
    wildcards: slide=s1
"""
FAILED = """
Job stats:
job        count
-------  -------
segment        1
report         1
total          2

localrule segment:
    jobid: 20
    wildcards: slide=s2
RuleException:
CalledProcessError in file "segment.smk", line 21:
[Sun Nov 29 18:31:24 2026]
Error in rule segment:
    message: None
    jobid: 20
    log: s2/logs/segment.log (check log file(s) for error details)
Trying to restart job 20.
localrule segment:
    jobid: 20
    wildcards: slide=s2
Finished jobid: 20 (Rule: segment)
1 of 2 steps (50%) done
"""


def read(*texts: str) -> State:
    state = State()
    for text in texts:
        state.read_all(text.splitlines())
    return state


def test_jobs_of_a_group_are_not_taken_for_running_but_their_end_is_noticed() -> None:
    state = read(GROUPED, ENDED)
    assert state.running == {12: ("detect", "s1")}
    assert list(state.events) == [Event("finished", "grade", "s0"), Event("finished", "report", "s0")]


def test_of_a_group_that_failed_every_job_may_have() -> None:
    state = read(GROUPED, GROUP_FAILED)
    assert list(state.events) == [Event("failed", stage, "s0", grouped=True) for stage in ("grade", "report")]
    assert state.running == {12: ("detect", "s1"), 13: ("segment", "s1")}


def test_a_failure_is_noticed_when_it_happens_and_that_the_job_is_tried_again() -> None:
    state = read(FAILED)
    assert [event.what for event in state.events] == ["failed", "again", "finished"]
    assert {(event.stage, event.slide, event.grouped) for event in state.events} == {("segment", "s2", False)}
    assert state.planned == {"segment": 1, "report": 1, "total": 2}
    assert (state.done, state.total, state.running) == (1, 2, {})


def test_a_run_with_nothing_to_do_is_idle() -> None:
    assert read("Nothing to be done (all requested files are present and up to date).").idle
    assert not read(FAILED).idle
