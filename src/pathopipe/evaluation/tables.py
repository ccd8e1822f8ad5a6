"""Laying out scores: aligned for reading, or separated by tabs for a file."""

from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from operator import add
from typing import Any, Final

from pathopipe.evaluation.layout import Cell, Estimate, Line, aligned, columns
from pathopipe.evaluation.metrics import Counts, Scores, intervals, scores
from pathopipe.evaluation.perturbation import PERTURBATIONS
from pathopipe.evaluation.point_metrics import (
    PointCounts,
    PointScores,
    point_intervals,
    point_scores,
    type_f1,
    type_recall,
)
from pathopipe.evaluation.scoring import Row
from pathopipe.ops.nucleus_types import TYPES

POOLED: Final = "all images"


def outlines(rows: Sequence[Row]) -> list[Row]:
    """Rows of images whose labels are outlines."""
    return [row for row in rows if isinstance(row.counts, Counts)]


def points(rows: Sequence[Row]) -> list[Row]:
    """Rows of images whose labels are points."""
    return [row for row in rows if isinstance(row.counts, PointCounts)]


def outline_lines(rows: Sequence[Row]) -> list[Line]:
    """Score outlines: a line for each image and model, then a pooled one, with intervals, for each model."""
    return _lines(rows, _outline_scores)


def point_lines(rows: Sequence[Row]) -> list[Line]:
    """Score nuclei against points: a line for each image and model, then a pooled one for each model."""
    return _lines(rows, _point_scores)


def pooled_only(lines: Sequence[Line]) -> list[Line]:
    """Leave out the lines of single images, and the column that tells images apart."""
    pooled = [line for line in lines if line["image"] == POOLED]
    return [{name: cell for name, cell in line.items() if name != "image"} for line in pooled]


def count_images(rows: Sequence[Row]) -> str:
    """Say how many images there are, and what is in brackets."""
    count = len({row.image for row in rows})
    return f"{count} images; 95% intervals over images in brackets" if count > 1 else "1 image"


def rankings(rows: Sequence[Row], score: Callable[[Any], float], name: str) -> list[str]:
    """Say on how many of the images that both saw the first model scores higher than each other one."""
    by_model = {model: {row.image: score(row.counts) for row in rows if row.model == model} for model in _models(rows)}
    lines = []
    for other in list(by_model)[1:]:
        first = next(iter(by_model))
        pairs = [
            (by_model[first][image], by_model[other][image]) for image in by_model[first] if image in by_model[other]
        ]
        ahead, behind = sum(a > b for a, b in pairs), sum(a < b for a, b in pairs)
        lines.append(f"{first} against {other}, {name}: ahead on {ahead} of {len(pairs)} images, behind on {behind}")
    return lines


def outline_f1(counts: Counts) -> float:
    """F1 at IoU 0.5."""
    return scores(counts).f1


def point_f1(counts: PointCounts) -> float:
    """F1 of detection within 3 um."""
    return point_scores(counts).detection_f1


def confusions(rows: Sequence[Row]) -> Iterator[str]:
    """What nuclei at typed points were said to be, for each model: a line per annotated type, and the calibration."""
    for model in _models(rows):
        agreed = _pooled(rows, model, "").agreement
        if not agreed.pairs:
            continue
        said = [name for name in (*TYPES, "") if any(pair[1] == name for pair in agreed.pairs)]
        lines: list[Line] = [
            {"annotated": true, **{name or "not said": str(agreed.pairs.get((true, name), 0)) for name in said}}
            for true in TYPES
            if any(pair[0] == true for pair in agreed.pairs)
        ]
        error = agreed.calibration_error
        calibration = "" if error is None else f"\nexpected calibration error {error:.3f}, in ten bins of probability"
        yield f"Types that {model} gave nuclei within 6 um of a point\n{aligned(lines)}{calibration}"


def drops(rows: Sequence[Row]) -> list[Line]:
    """How much each score falls when images are changed: a line for each change, columns for each model."""
    measures: dict[str, tuple[list[Row], Callable[[Any], float]]] = {
        "f1": (outlines(rows), outline_f1),
        "aji": (outlines(rows), lambda counts: scores(counts).aji),
        "detection_f1": (points(rows), point_f1),
    }
    lines = list[Line]()
    for change in (how.name for how in PERTURBATIONS):
        line: Line = {"drop": change}
        for name, (those, score) in measures.items():
            for model in _models(those):
                before, after = (score(_pooled(those, model, which)) for which in ("", change))
                line[f"{name} {model}"] = f"{before - after:+.3f}"
        lines.append(line)
    return lines


def tsv(rows: Sequence[Row]) -> str:
    """Everything in one table: column ``labels`` says of what kind they are, ``change`` how the images were changed."""
    lines = list[Line]()
    for change in ("", *(how.name for how in PERTURBATIONS)):
        those = [row for row in rows if row.change == change]
        for kind, made in (("outlines", outline_lines(outlines(those))), ("points", point_lines(points(those)))):
            lines += [{"labels": kind, "change": change, **line} for line in made]
    names = ["model", "image", *(name for name in columns(lines) if name not in {"model", "image"})]
    wide = {name for line in lines for name, cell in line.items() if isinstance(cell, Estimate)}
    header = [full for name in names for full in ([name, f"{name}_low", f"{name}_high"] if name in wide else [name])]
    table = [header, *([part for name in names for part in _spread(line.get(name), name in wide)] for line in lines)]
    return "\n".join("\t".join(cells) for cells in table) + "\n"


def _lines(rows: Sequence[Row], describe: Callable[[list[Any]], Line]) -> list[Line]:
    models = _models(rows)
    lines = list[Line]()
    for image in dict.fromkeys(row.image for row in rows):
        here = {row.model: row.counts for row in rows if row.image == image}
        lines += [{"model": model, "image": image, **describe([here[model]])} for model in models if model in here]
    for model in models:
        counts = [row.counts for row in rows if row.model == model]
        lines.append({"model": model, "image": POOLED, **describe(counts)})
    return lines


def _outline_scores(counts: list[Counts]) -> Line:
    whole = reduce(add, counts)
    result, ends = scores(whole), intervals(counts)
    return {
        "nuclei": str(whole.labelled),
        "found": str(whole.predicted),
        "f1": _estimate("f1", result, ends),
        "precision": f"{result.precision:.3f}",
        "recall": f"{result.recall:.3f}",
        "sq": f"{result.sq:.3f}",
        "pq": _estimate("pq", result, ends),
        "aji": _estimate("aji", result, ends),
        "detection_f1": _estimate("detection_f1", result, ends),
    }


def _point_scores(counts: list[PointCounts]) -> Line:
    whole = reduce(add, counts)
    result = point_scores(whole)
    line: Line = {
        "points": str(whole.labelled),
        "found": str(whole.predicted),
        "detection_f1": _estimate("detection_f1", result, point_intervals(counts)),
        "detection_precision": f"{result.precision:.3f}",
        "detection_recall": f"{result.recall:.3f}",
    }
    line |= {f"recall:{name}": f"{type_recall(kind):.3f}" for name, kind in whole.types.items() if kind.labelled}
    if not whole.typed:
        return line
    by_type = {name: type_f1(kind) for name, kind in whole.types.items() if kind.labelled}
    line |= {f"f1:{name}": f"{value:.3f}" for name, value in by_type.items()}
    return line | ({"f1:mean": f"{sum(by_type.values()) / len(by_type):.3f}"} if by_type else {})


def _estimate(name: str, result: Scores | PointScores, ends: tuple[Any, Any] | None) -> Estimate:
    return Estimate(getattr(result, name), *(getattr(end, name) for end in ends or ()))


def _spread(cell: Cell | None, wide: bool) -> list[str]:
    """A cell of a file; three where its column has intervals."""
    if not isinstance(cell, Estimate):
        return [cell or ""] + [""] * (2 * wide)
    return [f"{cell.value:.3f}", *("" if end is None else f"{end:.3f}" for end in (cell.low, cell.high))]


def _pooled(rows: Sequence[Row], model: str, change: str) -> Any:
    return reduce(add, (row.counts for row in rows if row.model == model and row.change == change))


def _models(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row.model for row in rows))
