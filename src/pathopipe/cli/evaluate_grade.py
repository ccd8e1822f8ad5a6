"""``pathopipe evaluate grade``: grades of a finished run against a column of the sample sheet."""

import json
from pathlib import Path

import click

from pathopipe.cli.options import PATH, check_file, examples, write_file

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(
    epilog=examples(
        "pathopipe evaluate grade --slides slides.tsv --results results --label grade",
        "pathopipe evaluate grade --results results --reader second --by site --out evaluation.json",
    )
)
@click.option("--slides", "sheet", type=PATH, help="Sample sheet with the labels; default: that of the last run.")
@click.option("--results", type=PATH, required=True, help="Results of a finished run.")
@click.option("--label", default="grade", show_default=True, help="Column of the sheet with the true grades.")
@click.option("--reader", help="Column with the grades of another reader, to be compared with both.")
@click.option("--by", multiple=True, help="Column that tells subgroups apart, such as site; can be repeated.")
@click.option("--group", help="Column that tells patients apart; default: patient, if there.")
@click.option("--out", type=_FILE, help="Write all figures to this JSON file.")
@click.option("--plot", type=_FILE, help="Draw how reliable the probabilities are into this SVG file.")
def grade(
    sheet: Path | None,
    results: Path,
    label: str,
    reader: str | None,
    by: tuple[str, ...],
    group: str | None,
    out: Path | None,
    plot: Path | None,
) -> None:
    """Score grades: quadratic-weighted kappa, rank correlation, AUC, calibration, coverage of prediction sets.

    The labels are the grader's grades, as it writes them. Slides that were rejected, or that the grader abstained on,
    count as not graded. All slides of a patient are counted as one where their labels agree. 95% intervals are in
    brackets (bootstrap over patients). docs/grade.md defines each figure.
    """
    from pathopipe.errors import RefusalError
    from pathopipe.evaluation.grade_evaluation import evaluate_grades
    from pathopipe.evaluation.grade_plot import reliability_plot
    from pathopipe.evaluation.grade_results import Asked
    from pathopipe.evaluation.grade_tables import shown
    from pathopipe.results.reader import open_results
    from pathopipe.results.records import last_sheet

    for name, path in (("--out", out), ("--plot", plot)):
        check_file(name, path)
    made = open_results(results)
    if (sheet := sheet or last_sheet(results)) is None:
        raise RefusalError(f"{results}: does not say which sample sheet it was made with: give it with --slides")
    content = evaluate_grades(sheet, made, Asked(label, reader, group, by))
    drawn = reliability_plot(content)
    if plot is not None and drawn is None:
        raise RefusalError(f"--plot {plot}: there is nothing to draw, because no graded slide has probabilities")
    click.echo(shown(content))
    if out is not None:
        write_file(out, f"{json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False)}\n".encode())
    if plot is not None and drawn is not None:
        write_file(plot, drawn)
