"""``pathopipe pods``: what the profile `kubernetes` lets Snakemake call."""

import sys

import click

from pathopipe.errors import FaultError
from pathopipe.running import pods as jobs


@click.group(hidden=True, help="Jobs in pods of Kubernetes, as the profile 'kubernetes' asks for them.")
def pods() -> None:
    """Jobs in pods."""


@pods.command(help="Start a job; prints its name.")
@click.option("--cores", type=int, required=True)
@click.option("--memory-mb", type=int, required=True)
@click.option("--minutes", type=int, required=True)
@click.option("--gpus", type=int, default=0)
@click.argument("script")
def submit(cores: int, memory_mb: int, minutes: int, gpus: int, script: str) -> None:
    """Start a job."""
    click.echo(jobs.submit(script, cores, memory_mb, minutes, gpus))


@pods.command(help="Show whether a job is running, succeeded, or failed.")
@click.argument("name")
def status(name: str) -> None:
    """Print the state of a job: one whose state can't be learned now counts as running."""
    try:
        click.echo(jobs.state(name))
    except FaultError as error:
        click.echo(f"pathopipe: {error}", err=True)
        click.echo("running")


def cancel() -> None:
    """Delete the jobs that the command line names: Snakemake wants a command without arguments of its own for that."""
    jobs.cancel(sys.argv[1:])
