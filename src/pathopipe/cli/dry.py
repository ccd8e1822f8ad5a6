"""``pathopipe run --dry-run``: what a run would do, counted."""

import subprocess
import sys
from collections.abc import Mapping

import click

from pathopipe.cli.options import many
from pathopipe.cli.stage_names import STAGES
from pathopipe.running.watch import State


def tell_plan(command: list[str], environment: Mapping[str, str]) -> int:
    """Have Snakemake plan, and say how many slides each stage would run on; returns Snakemake's code."""
    done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True, errors="replace")
    if done.returncode:
        sys.stderr.write(done.stdout + done.stderr)
        return done.returncode
    state = State()
    state.read_all((done.stdout + done.stderr).splitlines())
    for stage in STAGES:
        if slides := sorted(slide for rule, slide in state.running.values() if rule == stage):
            click.echo(f"  {stage:<9} {many(len(slides))}: {', '.join(slides[:5])}{', …' if slides[5:] else ''}")
    if state.planned.get("cohort"):
        click.echo("  cohort")
    click.echo(
        "this is what a run would do, nothing was run; 'pathopipe run -- --dry-run' lists every job"
        if state.planned
        else "nothing to do: all is up to date"
    )
    return 0
