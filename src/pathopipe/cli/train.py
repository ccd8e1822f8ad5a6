"""``pathopipe train``: own images and annotations in, weights with a card and a test out."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pathopipe.cli.options import (
    Suggesting,
    annotated_images,
    check_card,
    check_folder,
    check_name,
    check_torch,
    examples,
    training_options,
)
from pathopipe.cli.train_grade import grade
from pathopipe.cli.train_types import types

if TYPE_CHECKING:
    from pathopipe.models.weights import Weights
    from pathopipe.training.course import Moment
    from pathopipe.training.session import Request, Row

_HEADS = {"f1": "F1", "aji": "AJI", "pq": "PQ", "detection_f1": "detection F1"}


@click.group(cls=Suggesting, epilog=examples("pathopipe train nuclei --images images --labels labels --mpp 0.25"))
def train() -> None:
    """Train models on your own images and annotations, and graders on your own grades."""


train.add_command(grade)
train.add_command(types)


@train.command(
    epilog=examples(
        "pathopipe train nuclei --images images --labels labels --mpp 0.25 --name mine",
        "pathopipe train nuclei --sheet images.tsv --from scratch",
    )
)
@training_options("Their labels, with the same names: label images, GeoJSON, or points.")
@click.option("--from", "start", default="open", show_default=True, help="Weights to start from, or 'scratch'.")
@click.option("--teacher", help="Weights that outline nuclei annotated only as points; default: those of --from.")
@click.option("--steps", type=click.IntRange(1), help="Number of batches; default: 600, or 4000 from scratch.")
@click.option("--rate", type=float, help="Learning rate; default: 0.0005, or 0.002 from scratch.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the random numbers.")
@click.option("--device", type=click.Choice(["auto", "cpu", "gpu"]), default="auto", show_default=True)
@click.option("--curve/--no-curve", default=True, help="Also train on parts of the images, for a learning curve.")
@click.option("--test/--no-test", default=True, help="Hold out images for a test.")
@click.option("--license", "--licence", "licence", default="not stated", help="Terms of use, for the model card.")
@click.option("--data", "data", multiple=True, help="A line on the data for the model card; can be repeated.")
def nuclei(
    images: Path | None,
    labels: Path | None,
    mpp: float | None,
    sheet: Path | None,
    out: Path,
    name: str,
    start: str,
    teacher: str | None,
    **options: Any,
) -> None:
    """Train a nucleus network on annotated images: fine-tuned from the default one, or from scratch.

    A quarter of the patients (of the images, where none are named) is held out for the test. A run that was stopped
    continues with the same command.
    """
    check_name(name)
    check_torch()
    from pathopipe.errors import RefusalError
    from pathopipe.training.examples import read_examples
    from pathopipe.training.session import run, working_mpp

    begin = None if start == "scratch" else _weights(start)
    guide = _weights(teacher) if teacher else begin
    if (images is None) == (sheet is None):
        raise RefusalError("give either --sheet, or --images with --labels and --mpp")
    _check_teacher(guide, working_mpp(begin))
    examples = read_examples(annotated_images(images, labels, mpp, sheet), working_mpp(begin))
    request = _request(examples, out, name, begin, guide, options)
    _check_card(request)
    check_folder(out)
    with _Bar(request.schedule.steps) as bar:
        path, rows = run(request, bar)
    click.echo(_table(rows))
    click.echo(f"weights: {path}, with a card{' and pictures of the worst images' if rows else ''} beside them")
    click.echo(f"use them: pathopipe run --set {shlex.quote(f'detect.model={path}')}")


def _check_card(request: "Request") -> None:
    from pathopipe.models.card import Card

    check_card(
        lambda: Card(
            name=request.name,
            licence=request.licence,
            architecture=request.architecture,
            rule=request.rule,
            data=request.data,
        )
    )


def _check_teacher(guide: "Weights | None", wanted: float) -> None:
    from pathopipe.errors import RefusalError

    if guide and guide.card.mpp != wanted:
        raise RefusalError(
            f"--teacher: is made for {guide.card.mpp:g} micrometers per pixel, the weights to train for {wanted:g}: "
            "choose another"
        )


def _weights(model: str) -> "Weights":
    from pathopipe.errors import RefusalError
    from pathopipe.models.registry import weights_of

    if model == "classical":
        raise RefusalError("the model 'classical' has no weights to start from: choose 'open', a path, or 'scratch'")
    return weights_of(model)


def _request(
    examples: Any, out: Path, name: str, begin: "Weights | None", guide: "Weights | None", options: dict[str, Any]
) -> Any:
    from pathopipe.errors import RefusalError
    from pathopipe.models.engines import uses_gpu
    from pathopipe.training.loop import Schedule
    from pathopipe.training.session import Request

    steps = options["steps"] or (600 if begin else 4000)
    rate = (5e-4 if begin else 2e-3) if options["rate"] is None else options["rate"]
    if not 0 < rate <= 1:
        raise RefusalError(f"--rate {rate:g}: expected a number above 0 and at most 1")
    pointed = any(example.points is not None for example in examples)
    return Request(
        examples=examples,
        out=out,
        name=name,
        licence=_licence(options["licence"], begin, guide if pointed else None),
        data=options["data"],
        start=begin,
        teacher=guide,
        schedule=Schedule(steps=steps, rate=rate),
        seed=options["seed"],
        device="cuda" if uses_gpu(options["device"], "--device gpu") else "cpu",
        curve=options["curve"],
        test=options["test"],
    )


def _licence(stated: str, begin: "Weights | None", guide: "Weights | None") -> str:
    """Weights that were started from others, or taught by them, are also under their terms."""
    started = f"; started from '{begin.card.name}' ({begin.card.licence})" if begin else ""
    other = guide and not (begin and begin.sha256 == guide.sha256)
    taught = f"; taught by '{guide.card.name}' ({guide.card.licence})" if guide and other else ""
    return f"{stated}{started}{taught}"


def _table(rows: list["Row"]) -> str:
    """Lay out the learning curve."""
    if not rows:
        return "no images were held out: nothing was measured"
    heads = "".join(f"{_HEADS[name]:<7}" for name in rows[0].figures)
    title = f"images  nuclei  {heads.rstrip()}   (on held-out images)"
    return "\n".join([title, *map(_line, rows)])


def _line(row: "Row") -> str:
    return f"{row.images:<8}{row.nuclei:<8}" + "  ".join(f"{value:.3f}" for value in row.figures.values())


class _Bar:
    """A bar with the loss and the validation's AJI on a terminal; a line now and then in a log."""

    def __init__(self, steps: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._steps = steps
        self._progress = Progress(
            TextColumn("{task.description:<12}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            disable=not sys.stdout.isatty(),
        )
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> "_Bar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, part: str, moment: "Moment") -> None:
        """Show where the course that learns from this part is."""
        figures = f"loss {moment.loss:.3f}"
        if moment.aji is not None:
            figures += f"  AJI {moment.aji:.3f} (best {moment.best:.3f})"
        if part not in self._tasks:
            self._tasks[part] = self._progress.add_task(part, total=self._steps, figures="")
        self._progress.update(self._tasks[part], completed=moment.step, figures=figures)
        if self._progress.disable and (moment.step % 100 == 0 or moment.step == self._steps):
            click.echo(f"{part}: step {moment.step} of {self._steps}, {figures}")
