"""What a run says at its end when no stage could say what is wrong."""

from pathlib import Path

from pathopipe.running.snakemake_log import last_words

SNAKEMAKE = """Building DAG of jobs...
    message: Error in group before
    log: {log} (check log file(s) for error details)
    Error in rule tissue:
        log: s0/logs/tissue.log (check log file(s) for error details)
Exiting because a job execution failed. Look above for error messages
WorkflowError:
At least one job did not complete successfully.
"""


def test_a_job_at_slurm_that_could_not_start_is_quoted(tmp_path: Path) -> None:
    job, log = tmp_path / "a b" / "slurm_logs" / "group_before" / "1.log", tmp_path / "run.log"
    job.parent.mkdir(parents=True)
    log.write_text(SNAKEMAKE.format(log=job))
    snakemake = "WorkflowError: At least one job did not complete successfully"
    assert last_words(log) == snakemake
    job.write_text("slurm_script: 4: /opt/python: not found\n")
    assert (
        last_words(log) == f"{snakemake}; the last output of a Slurm job was 'slurm_script: 4: /opt/python: not found'"
    )


def test_a_refusal_in_the_workflow_is_told(tmp_path: Path) -> None:
    (tmp_path / "run.log").write_text("Building DAG of jobs...\n\npathopipe: /opt/a b/python: can't start jobs\n")
    assert last_words(tmp_path / "run.log") == "/opt/a b/python: can't start jobs"


def test_a_log_that_says_nothing_or_is_not_there(tmp_path: Path) -> None:
    assert last_words(tmp_path / "run.log") == "it does not say why"
