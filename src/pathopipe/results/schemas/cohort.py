"""Columns of ``cohort/cohort.parquet``, a row per slide of the sheet."""

from typing import Final

from pathopipe.results.schemas.column import Column
from pathopipe.results.schemas.statistics import column_term

SHARE: Final = "share_of_resamples_"
PROBABILITY: Final = "probability_"
"""Before a grade: the column of its share, and of its probability."""
SLIDE: Final = (
    Column("slide", "string", "", "id of the slide"),
    Column("state", "string", "", "done, rejected, fault, or missing if there is no result yet"),
    Column("reason", "string", "", "why the slide is not done, or why it has no grade"),
    Column("grade", "string", "", "what the grader said; empty where it abstained"),
    Column("abstained", "bool", "", "whether the grader gave no grade"),
    Column("outside_scope", "bool", "", "whether tissue or stain differ from what the grader is made for"),
    Column(
        "patient_grade", "string", "", "grade of the patient, by the rule in the settings; empty where there is none"
    ),
    Column("patient_slides", "string", "", "slides of the same patient, separated by spaces; empty without a patient"),
    Column("warnings", "string", "", "codes of the warnings about the slide, separated by spaces"),
    Column(
        "outlying",
        "string",
        "",
        "statistics, of those that cohort.statistics names, in which the slide lies far from the others, separated by "
        "spaces",
    ),
    Column(
        "scanner_group",
        "string",
        "",
        "group of slides that were stained or scanned alike, A the largest; empty where there are no groups",
    ),
    Column("other_settings", "string", "", "settings that differ from those of most slides, as for --set"),
    Column("model", "string", "", "model that found the nuclei"),
    Column("model_licence", "string", "", "terms of use of its results"),
)
"""What each slide has, whatever its state."""


def share(grade: str, kind: str) -> Column:
    """Return the column of a grade's share of the resamples."""
    return Column(f"{SHARE}{grade}", kind, "", f"share of the resamples of the tissue that give grade {grade}")


def probability(grade: str, kind: str) -> Column:
    """Return the column of a grade's calibrated probability."""
    return Column(f"{PROBABILITY}{grade}", kind, "", f"calibrated probability of grade {grade}")


def statistic(name: str, kind: str) -> Column:
    """Return the column of a statistic of the slide."""
    term = column_term(name)
    return Column(name, kind, term.unit, term.meaning or "statistic of the slide", term.label if term.meaning else "")


def of_sheet(name: str) -> Column:
    """Return a column of text that was taken from the sample sheet, or that no slide has a value in."""
    meaning = column_term(name).meaning or "column of the sample sheet, or a column without values"
    return Column(name, "string", "", meaning)
