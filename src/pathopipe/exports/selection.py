"""Which slides and nuclei are exported, and going through them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from pathopipe.errors import RefusalError
from pathopipe.exports.columns import FIELDS, LEADING, MADE, REGION, SLIDE, columns_of
from pathopipe.ops.nucleus_types import TYPES
from pathopipe.results.manifests import mpp_of
from pathopipe.results.reader import Results, SlideResults
from pathopipe.results.schemas.column import Column, schema_of
from pathopipe.results.tables import numbers

UNKNOWN: Final = "unknown"
"""What nuclei are asked for by whose type the model cannot say."""
_SEPARATOR: Final = "; "
_FIELDS: Final = tuple(column.name for column in FIELDS)


@dataclass(frozen=True)
class Asked:
    """What a person asked for: ids of slides, types, names of regions, and measures; all where a list is empty."""

    slides: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()


@dataclass(frozen=True)
class Selection:
    """Slides of which something is to be exported, and what of them.

    Attributes
    ----------
    columns
        What is known of the nuclei of any of these slides, without outlines.
    left_out
        Slides that are not, and why.
    """

    slides: tuple[SlideResults, ...]
    columns: tuple[Column, ...]
    asked: Asked
    left_out: Mapping[str, str]

    @property
    def measures(self) -> tuple[Column, ...]:
        """The measures among the columns."""
        return tuple(column for column in self.columns if column.name not in LEADING)

    def of(self, slide: SlideResults) -> "Selection":
        """Return the same of one slide, with the columns that it has."""
        known = {*slide.columns(), *LEADING}
        return replace(self, slides=(slide,), columns=tuple(one for one in self.columns if one.name in known))

    def nuclei(self, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
        """Go through the nuclei of all slides: these columns, null where a slide does not have one; no empty batch."""
        for slide in self.slides:
            yield from self._of_slide(slide, columns)

    def _of_slide(self, slide: SlideResults, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
        known, places = {*slide.columns()}, _Places(slide, self.asked)
        needed = dict.fromkeys(["x_px", "y_px", "type", *(column.name for column in columns)])
        schema = schema_of(columns)
        for batch in slide.batches([name for name in needed if name in known and name not in MADE]):
            chosen = batch.filter(pa.array(places.wanted(batch)))
            if not len(chosen):
                continue
            made = places.columns(chosen)
            yield pa.record_batch([_column(chosen, made, column) for column in columns], schema=schema)

    def is_empty(self) -> bool:
        """Whether no nucleus is selected: they are gone through until one is found."""
        return next(self.nuclei([SLIDE]), None) is None


def _column(batch: pa.RecordBatch, made: Mapping[str, Any], column: Column) -> pa.Array:
    kind = pa.type_for_alias(column.kind)
    if column.name in made:
        return pa.array(made[column.name], kind, from_pandas=False)
    if column.name not in batch.schema.names:
        return pa.nulls(len(batch), kind)
    return batch.column(column.name)


class _Places:
    """Which nuclei of a slide are wanted, and what is made of where they lie."""

    def __init__(self, slide: SlideResults, asked: Asked) -> None:
        self._slide, self._asked = slide.id, asked
        self._mpp = mpp_of(slide.manifest("tissue"))
        self._shapes = {region.name: shapely.union_all(region.polygons) for region in slide.regions()}
        shapely.prepare([*self._shapes.values()])

    def wanted(self, batch: pa.RecordBatch) -> NDArray[np.bool_]:
        chosen = np.ones(len(batch), np.bool_)
        if types := self._asked.types:
            said = [name or UNKNOWN for name in batch.column("type").to_pylist()]
            chosen &= np.isin(said, types)
        if regions := self._asked.regions:
            within = [self._inside(batch, name) for name in regions if name in self._shapes]
            chosen &= np.any(within, axis=0)
        return chosen

    def columns(self, batch: pa.RecordBatch) -> dict[str, Any]:
        found: dict[str, Any] = {SLIDE.name: [self._slide] * len(batch)}
        for axis, factor in (("x", self._mpp.x), ("y", self._mpp.y)):
            found[f"{axis}_um"] = numbers(batch.column(f"{axis}_px")) * factor
        names = np.full(len(batch), "", object)
        for name in self._shapes:
            if name not in _FIELDS:
                inside = self._inside(batch, name)
                names[inside] = [f"{before}{_SEPARATOR}{name}" if before else name for before in names[inside]]
        nowhere = np.zeros(len(batch), np.int8)
        fields = {
            name: self._inside(batch, name).astype(np.int8) if name in self._shapes else nowhere for name in _FIELDS
        }
        return found | fields | {REGION.name: [name or None for name in names]}

    def _inside(self, batch: pa.RecordBatch, name: str) -> NDArray[np.bool_]:
        x, y = (numbers(batch.column(f"{axis}_px")) for axis in "xy")
        inside: NDArray[np.bool_] = shapely.contains_xy(self._shapes[name], x, y)
        return inside


def select(results: Results, asked: Asked) -> Selection:
    """Choose the slides that have what is asked for.

    Raises
    ------
    RefusalError
        When there is no such slide, type, region or measure, or nothing is left.
    """
    if unknown := [slide for slide in asked.slides if slide not in results]:
        raise RefusalError(f"{results.folder}: has no slide '{unknown[0]}'; it has {_some([*results])}")
    if unknown := [name for name in asked.types if name not in (*TYPES, UNKNOWN)]:
        raise RefusalError(f"--type {unknown[0]}: there is no such type; the types are {', '.join(TYPES)}, {UNKNOWN}")
    slides = [results[name] for name in dict.fromkeys(asked.slides or results)]
    left_out = {slide.id: f"{slide.state}: {slide.reason}" for slide in slides if slide.state != "done"}
    done = [slide for slide in slides if slide.id not in left_out]
    if not done:
        said = "; ".join(f"{slide}: {reason}" for slide, reason in [*left_out.items()][:3])
        raise RefusalError(f"{results.folder}: no slide can be exported" + (f" ({said})" if said else ""))
    if asked.regions:
        left_out |= _without_regions(done, asked.regions)
    chosen = tuple(slide for slide in done if slide.id not in left_out)
    columns = columns_of((name for slide in chosen for name in slide.columns()), asked.measures)
    selection = Selection(chosen, columns, asked, left_out)
    if selection.is_empty():
        raise RefusalError("nothing was written: no nucleus is of these types and in these regions")
    return selection


def _without_regions(slides: Sequence[SlideResults], asked: Sequence[str]) -> dict[str, str]:
    """Slides that have none of the regions that are asked for, and why they are left out.

    Raises
    ------
    RefusalError
        When no slide has one of these regions.
    """
    names = {slide.id: [region.name for region in slide.regions()] for slide in slides}
    everywhere = dict.fromkeys(name for found in names.values() for name in found)
    if unknown := [name for name in asked if name not in everywhere]:
        these = f"; the regions are {_some(everywhere)}" if everywhere else ", nor any other"
        raise RefusalError(f"--region {unknown[0]}: no slide has a region of this name{these}")
    return {slide: "has none of these regions" for slide, found in names.items() if not {*found} & {*asked}}


def _some(names: Sequence[str] | Mapping[str, Any]) -> str:
    shown = [*names]
    return ", ".join(shown[:5]) + (f" and {len(shown) - 5:,} more" if len(shown) > 5 else "") if shown else "none"
