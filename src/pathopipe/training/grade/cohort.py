"""The slides to learn grades from: their statistics, grades, patients, and what else the sheet says of them."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from pathopipe.errors import ArtifactError, RefusalError
from pathopipe.grading.predictors import vector
from pathopipe.jobs.parallel import ordered_map
from pathopipe.pipeline import STATISTICS, stages_up_to
from pathopipe.results.described import ByType, described_slide, row_of
from pathopipe.results.manifests import mpp_of
from pathopipe.results.reader import Results, SlideResults, open_results
from pathopipe.results.schemas.counts import ALL, OF_REGIONS, WHOLE_SLIDE
from pathopipe.results.schemas.features import GROUPS
from pathopipe.results.schemas.quality import QUALITY
from pathopipe.results.schemas.statistics import KINDS, split
from pathopipe.samples import Sample, read_samples
from pathopipe.training.grade.about import about, check_twins, made_for
from pathopipe.training.grade.field_cohort import NO_FIELD, read_fields, telling
from pathopipe.training.grade.order import in_order

ROWS: Final = (ALL, "epithelial")
"""Rows of a region that graders learn from: those of all nuclei, and of one type."""
_SIZES: Final = frozenset(
    {
        "nuclei_count",
        "tissue_mm2",
        "spatial_clusters",
        "spatial_interface_stromal_mm",
        "spatial_interface_other_types_mm",
        "spatial_cluster_largest",
        "spatial_cluster_radius_largest_um",
    }
    | {f"spatial_{name}_hot_mm2" for name in ("area", "circularity", "hematoxylin")}
)
"""Columns that grow with the slide: they would tell a resection from a biopsy, and not a grade."""
_OF_IMAGE: Final = frozenset(column.name for column in QUALITY)
"""Columns that are about the slide's preparation and scanner, and not about the tumor."""
_STANDARD: Final = re.compile(r"spatial_\w+_z(_\d+um)?")
"""Standard scores, which grow with the root of the number of nuclei."""
_LEAST_KNOWN: Final = 0.8
"""Share of the slides that a column must be known of."""
_LEAST_DIFFERENT: Final = 4
"""Different values that a column must have."""
_LEAST_SLIDES: Final = 12
_NOBODY: Final = "\0"
"""Begins the name of a patient whom the sheet does not name: no cell can hold it."""
_READERS: Final = 2

Floats = NDArray[np.float64]
StainOfMeasures = Literal["native", "normalized"]


@dataclass(frozen=True)
class Cohort:
    """n slides with known grades.

    Attributes
    ----------
    slides, patients
        Ids, and who must stay on one side of a split; a slide without a patient is its own.
    grades, truth
        From best to worst, and the place (n,) of each slide's.
    values, families
        Statistics (n, D), nan where there is none, and their columns by row and group of measures, in order.
    about
        Other columns of the sheet, and what the results say of a slide, by name: n texts or numbers each.
    left_out
        Slides of the sheet that can't be learned from, and why.
    fields, field_families
        Fields (M, d) of each slide, and their columns; both empty where no fields were asked for.
    stain
        How the measures of all slides were made (``features.stain``).
    """

    slides: tuple[str, ...]
    patients: tuple[str, ...]
    grades: tuple[str, ...]
    truth: NDArray[np.int64]
    values: Floats
    families: Mapping[str, tuple[str, ...]]
    about: Mapping[str, tuple[Any, ...]]
    left_out: Mapping[str, str]
    mpp: tuple[float, ...]
    label: str
    made_for: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fields: tuple[Floats, ...] = ()
    field_families: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    stain: StainOfMeasures = "native"

    @property
    def without_patient(self) -> int:
        """How many slides have no patient in the sheet."""
        return sum(patient.startswith(_NOBODY) for patient in self.patients)

    @property
    def parts(self) -> dict[str, slice]:
        """Where the columns of each family lie."""
        ends = np.cumsum([len(columns) for columns in self.families.values()]).tolist()
        return {name: slice(start, end) for name, start, end in zip(self.families, [0, *ends], ends, strict=False)}

    def part(self, chosen: NDArray[Any]) -> "Cohort":
        """Some of the slides, by their places."""
        places = np.arange(len(self.slides))[chosen].tolist()

        def some(values: Sequence[Any]) -> tuple[Any, ...]:
            return tuple(values[place] for place in places)

        return Cohort(
            some(self.slides), some(self.patients), self.grades, self.truth[places], self.values[places], self.families,
            {name: some(values) for name, values in self.about.items()}, self.left_out, some(self.mpp), self.label,
            self.made_for, some(self.fields) if self.fields else (), self.field_families, self.stain,
        )  # fmt: skip


def read_cohort(
    sheet: Path,
    results: Path,
    label: str,
    group: str,
    order: Sequence[str] = (),
    *,
    regions: Sequence[str] = (),
    ordered: bool = True,
    with_fields: bool = False,
) -> Cohort:
    """Read what is to be learned from.

    Parameters
    ----------
    sheet, results
        The sample sheet, and a results folder that is finished up to ``statistics``.
    label, group
        Columns of the sheet: the known grade, and what must stay on one side of a split.
    order
        The grades from best to worst; where it is empty, `order.in_order` finds it.
    regions
        Regions of each slide whose statistics are learned from beside those of the whole slide, by their names.
    ordered
        Whether they must have an order.
    with_fields
        Whether to read the fields, too; a slide without any is left out.

    Raises
    ------
    RefusalError
        Where nothing can be learned from this, and why.
    """
    samples, made = read_samples(sheet), open_results(results)
    _check_columns(samples, sheet, label, group)
    taken, left_out = _usable(samples, label, made)
    fields = read_fields([made[sample.slide] for sample in taken], _READERS) if with_fields else {}
    if without := {slide: NO_FIELD for slide, values in fields.items() if not len(values)}:
        taken, left_out = [sample for sample in taken if sample.slide not in without], left_out | without
        _check_labels(taken, label, left_out)
    field_families, seen = telling([fields[sample.slide] for sample in taken], _LEAST_KNOWN) if fields else ({}, ())
    grades = in_order({sample.cell(label) for sample in taken}, order, label, needed=ordered)
    rows = list(ordered_map(lambda sample: _rows(made[sample.slide], regions), taken, _READERS))
    families, values = _columns(rows, [WHOLE_SLIDE, *regions])
    _check_regions(families, regions)
    patients = tuple(sample.cell(group) or f"{_NOBODY}{sample.slide}" for sample in taken)
    check_twins(taken, patients, made)
    return Cohort(
        slides=tuple(sample.slide for sample in taken),
        patients=patients,
        grades=grades,
        truth=np.array([grades.index(sample.cell(label)) for sample in taken]),
        values=values,
        families=families,
        about=about(taken, made, {label, group}),
        left_out=left_out,
        mpp=tuple(mpp_of(made[sample.slide].manifest("tissue")).mean for sample in taken),
        label=label,
        made_for=made_for(taken),
        fields=seen,
        field_families=field_families,
        stain=_stain([made[sample.slide] for sample in taken]),
    )


def _stain(slides: Sequence[SlideResults]) -> StainOfMeasures:
    """Return how all slides were measured; a grader can't learn from some of either."""
    found = {slide.manifest("features")["stain"]["measured"] for slide in slides}
    if len(found) > 1:
        raise RefusalError(
            "some slides were measured with normalized stain and some without (features.stain): run all of them with "
            "the same setting"
        )
    return "normalized" if found == {"normalized"} else "native"


def _check_columns(samples: Sequence[Sample], sheet: Path, label: str, group: str) -> None:
    if label == group:
        raise RefusalError(f"--group {group}: is the label itself: name the column of patients")
    if label == "patient":
        raise RefusalError("--label patient: names patients, and those are never written: name the column of grades")
    for name in (label, *([group] if group != "patient" else ())):
        if not any(sample.cell(name) for sample in samples):
            there = [known for known in ("patient", "grade") if any(sample.cell(known) for sample in samples)]
            names = ", ".join([*there, *samples[0].extra]) or "none that could be used"
            raise RefusalError(f"{sheet}: has no column '{name}', or nothing in it; its columns are {names}")


def _usable(samples: Sequence[Sample], label: str, made: Results) -> tuple[list[Sample], dict[str, str]]:
    """Slides with a label and statistics, and why others can't be used; a refusal where these are too few."""
    taken, left_out = [], {}
    for sample in samples:
        if reason := _unusable(sample, label, made):
            left_out[sample.slide] = reason
        else:
            taken.append(sample)
    _check_labels(taken, label, left_out)
    return taken, left_out


def _unusable(sample: Sample, label: str, made: Results) -> str | None:
    if not sample.cell(label):
        return "it has no label"
    if sample.slide not in made or not made[sample.slide].has("statistics"):
        return "the stage statistics has not been finished"
    slide = made[sample.slide]
    try:
        sound = slide.manifest("statistics")["contract"] == STATISTICS.contract
    except ArtifactError:  # which names the file, and that may name a person
        sound = False
    if not sound:
        return "its statistics are damaged, or of another version of pathopipe: run the workflow on it again"
    if any(slide.is_overtaken(stage) for stage in stages_up_to(STATISTICS.name) if stage in slide.ended):
        return "earlier stages have run again since its statistics were made: run the workflow on it again"
    if rejected := slide.rejection():
        return f"it was rejected: {rejected[1]}"
    told = {entry["code"] for entry in slide.manifest("features").get("quality") or []}
    return "its stain could not be normalized (features.stain)" if "stain_not_normalized" in told else None


def _check_labels(taken: Sequence[Sample], label: str, left_out: Mapping[str, str]) -> None:
    counts = Counter(sample.cell(label) for sample in taken)
    reasons = "; ".join(f"{count} because {reason}" for reason, count in Counter(left_out.values()).most_common(3))
    without = f" ({len(left_out)} of the sheet's slides can't be used: {reasons})" if left_out else ""
    if len(taken) < _LEAST_SLIDES:
        raise RefusalError(
            f"{len(taken)} slides have a label in column '{label}' and statistics, at least {_LEAST_SLIDES} are "
            f"needed{without}: run the workflow on more slides, or correct --slides and --results"
        )
    if len(counts) < 2:
        raise RefusalError(
            f"all slides have the label '{next(iter(counts))}' in column '{label}'{without}: nothing can be told apart"
        )


def _rows(slide: SlideResults, regions: Sequence[str]) -> ByType:
    """Rows of the whole slide and of these regions, by type."""
    try:
        return described_slide(slide.file("statistics", "statistics.parquet"), regions)[0]
    except (ArtifactError, RefusalError) as error:
        raise RefusalError(
            f"the statistics of slide {slide.slide} can't be used ({error}): run the workflow on it again"
        ) from error


def _check_regions(families: Mapping[str, tuple[str, ...]], regions: Sequence[str]) -> None:
    for region in regions:
        if not any(name.startswith(f"{region}/") for name in families):
            raise RefusalError(
                f"--region {region}: fewer than {_LEAST_KNOWN:.0%} of the slides have a region of this name with "
                "enough nuclei: name one that is drawn in all slides, or densest_field or largest_field"
            )


def _columns(
    rows: Sequence[dict[str, dict[str, Any]]], regions: Sequence[str]
) -> tuple[dict[str, tuple[str, ...]], Floats]:
    """Families of the columns that are known of most slides and differ, and the values (n, D)."""
    groups = {column.name: name for name, columns in GROUPS.items() for column in columns}
    families, parts = dict[str, tuple[str, ...]](), list[Floats]()
    by_family: dict[str, list[tuple[str, str]]] = {}
    for row in (row_of(region, kind) for region in regions for kind in ROWS):
        for column in KINDS:
            if column not in OF_REGIONS | _SIZES | _OF_IMAGE and not _STANDARD.fullmatch(column):
                by_family.setdefault(f"{row} {_group(column, groups)}", []).append((row, column))
    for name, columns in by_family.items():
        values = np.array([vector(one, columns) for one in rows])
        told = [_tells(values[:, place]) for place in range(len(columns))]
        if any(told):
            families[name] = tuple(column for (_, column), kept in zip(columns, told, strict=True) if kept)
            parts.append(values[:, told])
    if not parts:
        raise RefusalError("no statistic is known of most slides and differs between them: nothing can be learned")
    return families, np.concatenate(parts, axis=1)


def _group(column: str, groups: Mapping[str, str]) -> str:
    measure = split(column)
    if measure:
        return groups[measure[0]]
    return "arrangement" if column.startswith("spatial_") else "counts"


def _tells(values: Floats) -> bool:
    known = values[np.isfinite(values)]
    return len(known) >= _LEAST_KNOWN * len(values) and len(np.unique(known)) >= _LEAST_DIFFERENT
