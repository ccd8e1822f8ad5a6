"""``pathopipe train grade``: graded slides in, a grader with a card and a test out."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pathopipe.cli.options import PATH, check_folder, check_name, check_torch, examples, show_step

if TYPE_CHECKING:
    from pathopipe.training.grade.session import Report

_KINDS = ("linear", "trees", "nominal", "fields")
_COVERAGE = 0.9
"""Also that of the setting grade.coverage."""


@click.command(
    epilog=examples(
        "pathopipe train grade --slides slides.tsv --results results --label grade --name mine",
        "pathopipe train grade --slides slides.tsv --results results --label grade --kind linear --kind trees",
    )
)
@click.option("--slides", "sheet", type=PATH, required=True, help="Sample sheet with the known grades.")
@click.option("--results", type=PATH, required=True, help="Results of these slides, finished up to 'statistics'.")
@click.option("--label", default="grade", show_default=True, help="Column of the sheet with the known grade.")
@click.option("--group", default="patient", show_default=True, help="Column that must stay on one side of a split.")
@click.option(
    "--order", default="", help="The grades from best to worst, separated by commas; default: by their names."
)
@click.option(
    "--kind",
    "kinds",
    type=click.Choice(_KINDS),
    multiple=True,
    help="linear (default): one weighted sum; trees: boosted trees; nominal: without an order; fields: attention over "
    "squares of the slide (needs torch). The first is saved, others are tested beside it.",
)
@click.option(
    "--region",
    "regions",
    multiple=True,
    help="Also learn from the statistics of this region of each slide: the name that it has in the slides' regions, or "
    "densest_field or largest_field; can be repeated.",
)
@click.option(
    "--coverage", type=float, default=_COVERAGE, show_default=True, help="Of the prediction sets that are tested."
)
@click.option("--out", type=PATH, default=Path("trained"), show_default=True, help="Folder to write to.")
@click.option("--name", default="mine", show_default=True, help="Name of the grader.")
@click.option("--seed", type=click.IntRange(0, 2**31), default=0, show_default=True, help="Seed of the random numbers.")
@click.option("--license", "--licence", "licence", default="not stated", help="Terms of use, for the card.")
@click.option("--data", "data", multiple=True, help="A line on the data for the card; can be repeated.")
@click.option("--more/--no-more", default=True, help="Also test against chance, and show a learning curve.")
def grade(
    kinds: tuple[str, ...], regions: tuple[str, ...], order: str, coverage: float, name: str, out: Path, **given: Any
) -> None:
    """Train a grader on the statistics of slides with known grades.

    Each patient is tested by a grader that was fitted without it (all of them, of up to 30 patients; a tenth at a time,
    of more). Prediction sets hold the true grade as often as --coverage says, and the grader abstains where such a set
    has not exactly one grade. Columns of the sheet that foretell the grade are reported.
    """
    check_name(name)
    from pathopipe.errors import RefusalError
    from pathopipe.training.grade.session import Request, run

    if not 0.5 <= coverage < 1:
        raise RefusalError(f"--coverage {coverage:g}: expected a number from 0.5 to below 1")
    chosen = tuple(dict.fromkeys(kinds)) or ("linear",)
    if regions and "fields" in chosen:
        raise RefusalError(
            "--region goes with the statistics of slides, and --kind fields learns from squares: leave one out"
        )
    if "fields" in chosen:
        check_torch()
    names = tuple(part.strip() for part in order.split(",") if part.strip())
    check_folder(out)
    asked = {"kinds": chosen, "regions": tuple(dict.fromkeys(regions)), "order": names, "coverage": coverage}
    request = Request(out=out, name=name, **asked, **given)  # type: ignore[arg-type]
    report = run(request, show_step)
    show_step(1, 1, "")
    click.echo("\n".join(_lines(report)))
    settings = [f"grade.grader={report.path}", *([] if coverage == _COVERAGE else [f"grade.coverage={coverage}"])]
    click.echo(f"use it: pathopipe run {' '.join(f'--set {shlex.quote(setting)}' for setting in settings)}")


def _lines(report: "Report") -> list[str]:
    from pathopipe.evaluation.grade_metrics import FIGURES

    cohort, found = report.cohort, report.evaluation
    left = "; ".join(f"{count} left out: {reason}" for reason, count in found["left_out"].items())
    lines = [
        f"slides: {len(cohort.slides)} of {len(set(cohort.patients))} patients{'; ' if left else ''}{left}",
        f"grades, from best to worst: {', '.join(cohort.grades)}",
        f"{'patients kept apart':<20}" + "".join(f"{kind:<26}" for kind in report.by_kind),
    ]
    for name in FIGURES:
        cells = [_cell(by, name) for by in report.by_kind.values()]
        lines.append(f"{name:<20}" + "".join(f"{cell:<26}" for cell in cells).rstrip())
    lines.append("at a coverage of     graded  right of these")
    for row in found["by_coverage"]:
        right = row["accuracy_of_graded"]
        lines.append(f"{row['asked']:<20.0%} {row['graded']:<7.0%} {'-' if right is None else f'{right:.0%}'}")
    if chance := found.get("chance"):
        lines.append(
            f"against chance: rank correlation {chance['spearman']:.3f}, dealt anew {chance['by_chance']:.3f}, "
            f"p {chance['p']:.3f}"
        )
    return [*lines, *found["reported"], f"grader: {report.path}, with a card and evaluation.json beside it"]


def _cell(found: dict[str, Any], name: str) -> str:
    if found[name] is None:
        return "-"
    interval = (
        f" ({found[f'{name}_low']:.3f} to {found[f'{name}_high']:.3f})" if found[f"{name}_low"] is not None else ""
    )
    return f"{found[name]:.3f}{interval}"
