"""The commands: thin, and each is imported only when it is called."""

import importlib
from typing import Any

import click

from pathopipe.cli.options import Suggesting, examples
from pathopipe.cli.stage_names import STAGES
from pathopipe.cli.user_errors import user_errors

_COMMANDS = {
    "init": ("init", "Find slides in a folder; write the sample sheet and the configuration."),
    "run": ("run", "Run the whole workflow over a sample sheet."),
    "status": ("status", "Show how far a run is: done, running, failed, rejected, time left."),
    "verify": ("verify", "Recompute the digests of results and report what changed."),
    "share": ("share", "Copy results to share, without anything that identifies people or places."),
    "export": ("export", "Write nuclei for QuPath, squidpy, pandas, R and other programs."),
    "demo": ("demo", "Run the whole workflow on synthetic slides, or on one of your slides."),
    "doctor": ("doctor", "Show what is installed and what is missing."),
    "evaluate": ("evaluate", "Compare nuclei with annotated images, grades with pathologists'."),
    "bench": ("bench", "Measure every stage on this machine."),
    "train": ("train", "Train a model on your own annotated images."),
    "pods": ("pods", ""),  # for Snakemake
    **{name: ("stage", f"Stage {number}: {text}") for number, (name, text) in enumerate(STAGES.items(), 1)},
    "cohort": ("stage", "Gather all slides into one table and page."),
}


class _Commands(Suggesting):
    # ruff: noqa: ARG002 (the signatures are click's)
    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name, (_, text) in _COMMANDS.items() if text]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"pathopipe.cli.{_COMMANDS[cmd_name][0]}")
        if cmd_name in STAGES:
            command: click.Command = module.stage_command(cmd_name, _COMMANDS[cmd_name][1])
            return command
        found: click.Command = getattr(module, cmd_name)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, _COMMANDS[name][1]) for name in self.list_commands(ctx)])


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from pathopipe import __version__

        click.echo(f"pathopipe {__version__}")
        ctx.exit()


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples("pathopipe demo", "pathopipe init /data/slides", "pathopipe run"),
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show the version."
)
def app() -> None:
    """Whole-slide pathology images to graded, auditable reports. For research use only.

    Start with the synthetic slides of 'demo', then list your own with 'init', and 'run' them.
    """


def call(arguments: list[str] | None = None) -> Any:
    """Run the command line; exit code 0: done, 1: a fault, 2: a refusal."""
    with user_errors():
        return app(arguments, prog_name="pathopipe")
