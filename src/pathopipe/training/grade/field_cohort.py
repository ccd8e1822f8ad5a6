"""The fields of the slides to learn grades from."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.errors import ArtifactError, RefusalError
from pathopipe.grading.fields import COLUMNS, FAMILIES, LEAST_NUCLEI, SIDE_UM, fields_of
from pathopipe.grading.predictors import range_of
from pathopipe.jobs.parallel import ordered_map
from pathopipe.results.nuclei import nuclei_columns
from pathopipe.results.reader import SlideResults

MOST_FIELDS: Final = 256
"""Fields of a slide that are learned from; of a slide with more, so many of them, evenly spread."""
NO_FIELD: Final = f"no square of {SIDE_UM:g} µm of it has {LEAST_NUCLEI} nuclei"

Floats = NDArray[np.float64]


def read_fields(slides: Sequence[SlideResults], readers: int) -> dict[str, Floats]:
    """Fields (M, D) of each slide, by its id, see `grading.fields.COLUMNS`; M may be 0.

    Raises
    ------
    RefusalError
        When the tables of a slide can't be used.
    """
    ids = [slide.id for slide in slides]
    return dict(zip(ids, ordered_map(_read, slides, readers), strict=True))


def telling(fields: Sequence[Floats], least_known: float) -> tuple[dict[str, tuple[str, ...]], tuple[Floats, ...]]:
    """Families of the columns that are known in such a share of the slides and differ, and these columns (M, D).

    Raises
    ------
    RefusalError
        When there is none.
    """
    known = np.mean([np.isfinite(values).any(axis=0) for values in fields], axis=0) >= least_known
    low, high = range_of(np.concatenate([range_of(values) for values in fields]))
    told = known & (low < high)
    if not told.any():
        raise RefusalError("no measure is known in the fields of most slides and differs: nothing can be learned")
    families = _families({key for key, is_told in zip(COLUMNS, told.tolist(), strict=True) if is_told})
    keys = [(name.partition(" ")[0], column) for name, columns in families.items() for column in columns]
    places = [COLUMNS.index(key) for key in keys]
    return families, tuple(values[:, places] for values in fields)


def _families(kept: set[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    found: Mapping[str, tuple[str, ...]] = {
        name: tuple(column for column in columns if (name.partition(" ")[0], column) in kept)
        for name, columns in sorted(FAMILIES.items())
    }
    return {name: columns for name, columns in found.items() if columns}


def foreign_share(fields: Sequence[Floats], share: float) -> float:
    """What a slide is less foreign than, in such a share of the slides: each against the range of the others.

    Foreign is the mean over its fields of the share of columns outside of the range of the fields learned from.
    """
    ranges, outside = np.stack([range_of(values) for values in fields]), []
    for place, values in enumerate(fields):
        first, last = range_of(np.concatenate(np.delete(ranges, place, axis=0)))
        outside.append(float(((values < first) | (values > last)).mean()))
    return float(np.float32(np.quantile(outside, share, method="higher")))


def _read(slide: SlideResults) -> Floats:
    try:
        found = fields_of(
            lambda names: nuclei_columns(lambda name: slide.file(*name.split("/")), slide.manifest, names)
        )
    except (ArtifactError, RefusalError) as error:
        raise RefusalError(
            f"the nuclei of slide {slide.slide} can't be used ({error}): run the workflow on it again"
        ) from error
    chosen = np.linspace(0, len(found.values) - 1, min(len(found.values), MOST_FIELDS)).round().astype(np.int64)
    return found.values[chosen]
