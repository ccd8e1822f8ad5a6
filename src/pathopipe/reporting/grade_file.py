"""What a page takes from the grader's file; entries that earlier versions did not write may be missing."""

from collections.abc import Mapping

from pathopipe import text
from pathopipe.reporting.fact import Fact
from pathopipe.reporting.grade_view import Driver, Drivers, Evidence, Grade, RegionGrade
from pathopipe.reporting.references import references_of
from pathopipe.reporting.vocabulary import FIGURES, in_words
from pathopipe.results.contents import EvidenceEntry, FigureEntry, GradeFile
from pathopipe.results.grade_parts import DrivingField
from pathopipe.results.schemas.counts import ALL, REGION_LABELS
from pathopipe.viewer.links import field_link


def grade_of(content: GradeFile) -> Grade | None:
    """Read ``grade.json``; None where no grader ran (the file of a rejected slide)."""
    if not content.get("grader"):
        return None
    grades = tuple(str(grade) for grade in content.get("grades") or ())
    grade, chosen = content.get("grade"), content.get("prediction_set")
    return Grade(
        grader=str(content["grader"]),
        scope=str(content.get("scope", "")),
        grade=None if grade is None else str(grade),
        grades=grades,
        probabilities=probabilities(content, grades),
        abstained=bool(content.get("abstained")),
        reason=_sentence(content.get("reason")),
        evidence=tuple(map(_evidence, content.get("evidence") or [])),
        stability=content.get("stability"),
        shares_of=str(content.get("probabilities_are") or ""),
        outside_scope=content.get("outside_scope"),
        calibrated=bool(content.get("probabilities_calibrated")),
        score=content.get("score"),
        limits=tuple(content.get("limits") or ()),
        prediction_set=None if chosen is None else tuple(chosen),
        coverage=content.get("coverage"),
        not_assessed=tuple((item["item"], text.sentence(item["reason"])) for item in content.get("not_assessed") or ()),
        figures=_figures(content.get("figures") or {}),
        card=str(content.get("card") or ""),
        regions=_regions(content),
        drivers=_drivers(content),
        references=references_of(content.get("references")),
    )


def probabilities(content: GradeFile, grades: tuple[str, ...]) -> tuple[float, ...]:
    """Return one share per grade, in their order; none where the grader gave none."""
    given = content.get("probabilities")
    if not given:
        return ()
    values = [given.get(grade, 0.0) for grade in grades] if isinstance(given, Mapping) else list(given)
    return tuple(float(value) for value in values)


def _sentence(words: str | None) -> str | None:
    return text.sentence(str(words)) if words else None


def _evidence(item: EvidenceEntry) -> Evidence:
    return Evidence(
        name=str(item["name"]),
        value=item.get("value"),
        unit=str(item.get("unit") or ""),
        meaning=str(item.get("meaning") or ""),
        limits=tuple(item.get("limits") or ()),
        to_limit=item.get("to_limit"),
    )


def _figures(entries: Mapping[str, FigureEntry]) -> tuple[Fact, ...]:
    """Write the figures that have a name first, in the order of those."""
    order = [name for name in FIGURES if name in entries]
    return tuple(_figure(name, entries[name]) for name in [*order, *(name for name in entries if name not in order)])


def _figure(name: str, entry: FigureEntry) -> Fact:
    value = text.count(entry["value"]) if name.startswith("n_") else text.number(entry["value"], 2)
    low, high = entry["low"], entry["high"]
    between = "" if low is None or high is None else f"({text.number(low, 2)} to {text.number(high, 2)})"
    return Fact(FIGURES.get(name) or in_words(name), value, between)


def _regions(content: GradeFile) -> tuple[RegionGrade, ...]:
    return tuple(
        RegionGrade(
            region=REGION_LABELS.get(name, name),
            grade=entry["grade"],
            score=entry["score"],
            prediction_set=None if entry["prediction_set"] is None else tuple(entry["prediction_set"]),
            reason=_sentence(entry["reason"]),
        )
        for name, entry in (content.get("regions") or {}).items()
    )


def _drivers(content: GradeFile) -> Drivers | None:
    found = content.get("drivers")
    if not found or found["side_um"] is None:
        return None
    return Drivers(
        fields=tuple(map(_driver, found["fields"])),
        nuclei=tuple(entry["nucleus_id"] for entry in found["nuclei"]),
        side_um=found["side_um"],
        covered=found["covered"],
        left_out=tuple(map(_statistic, found["left_out"])),
    )


def _statistic(name: str) -> str:
    """Write the type and column of a statistic in words."""
    kind, _, column = name.partition(": ")
    words = in_words(column)
    return words if kind == ALL else f"{words} ({kind} nuclei)"


def _driver(field: DrivingField) -> Driver:
    return Driver(
        corner=f"{text.count(field['x_px'])}, {text.count(field['y_px'])}",
        size=f"{text.count(field['width_px'])} × {text.count(field['height_px'])}",
        nuclei=text.count(field["nuclei"]),
        influence=text.number(field["influence"], 2),
        link=field_link(field["x_px"], field["y_px"], field["width_px"], field["height_px"]),
    )
