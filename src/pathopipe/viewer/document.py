"""What a page holds for the viewer, as far as its size allows: what matters first."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from pathopipe.ops.nucleus_types import TYPES
from pathopipe.results.schemas.column import Column
from pathopipe.units import Grid
from pathopipe.viewer.decimals import DIGITS
from pathopipe.viewer.layers import Layer
from pathopipe.viewer.nuclei import DEVIATION_UM, FINE, Nuclei
from pathopipe.viewer.packing import Block
from pathopipe.viewer.pyramid import FINEST_MPP, SIDE, Pyramid
from pathopipe.viewer.quadtree import Bounds, Leaf

if TYPE_CHECKING:
    from pathopipe.slide import Slide

Outlines = Literal["auto", "all", "none"]
_PIXELS: Final = 0.5
"""Share of the room that pixels may take."""


@dataclass
class Room:
    """Bytes that are left in a page."""

    left: float

    def holds(self, blocks: Sequence[Block]) -> bool:
        """Whether blocks fit, and if so, take their room."""
        size = sum(block.size for block in blocks)
        if size > self.left:
            return False
        self.left -= size
        return True

    def take(self, blocks: Sequence[Block]) -> Sequence[Block]:
        """Take the room of blocks that have to be there in any case."""
        self.left -= sum(block.size for block in blocks)
        return blocks


@dataclass(frozen=True)
class View:
    """All that the viewer can show of a slide.

    Attributes
    ----------
    tissue
        Share of the slide that is tissue.
    grid
        The working grid, which outlines lie on.
    measures
        The columns that `Nuclei.codes` holds.
    places
        Rectangles to be shown finely, those that matter most first.
    colors
        A color ramp, 256 of them as ``#rrggbb``.
    """

    slide: "Slide"
    tissue: float
    grid: Grid
    nuclei: Nuclei
    measures: tuple[Column, ...]
    layers: tuple[Layer, ...]
    places: tuple[Bounds, ...]
    colors: tuple[str, ...]


@dataclass(frozen=True)
class Document:
    """The blocks of a page, and how many nuclei have an outline in it."""

    blocks: tuple[Block, ...]
    outlined: int


def document(view: View, outlines: Outlines, room: Room) -> Document:
    """Choose what goes into the page.

    In any case: the overview, the layers, and a point for each nucleus. Then, as far as there is room: pixels of the
    places, outlines near them, measures, and all other outlines. With ``all`` there is room for every outline and
    measure.
    """
    leaves = view.nuclei.leaves()
    pyramid = Pyramid.of(view.slide, view.tissue, _PIXELS * room.left)
    layers = [block for layer in view.layers if (block := layer.block)]
    first = [*layers, *pyramid.overview(view.slide)]
    base = [view.nuclei.base(number, leaf) for number, leaf in enumerate(leaves)]
    # The manifest is longest where nothing was chosen.
    room.take([*first, *base, _manifest(view, pyramid, leaves, set(), 0, len(view.nuclei.x))])
    pixels = list(_details(pyramid, view, room))
    if outlines == "all":
        room = Room(float("inf"))
    order = sorted(range(len(leaves)), key=lambda number: (not _matters(leaves[number], view.places), number))
    urgent = sum(_matters(leaf, view.places) for leaf in leaves)
    drawn = {} if outlines == "none" else dict(_outlines(view.nuclei, leaves, order[:urgent], room))
    measured = list(_measured(view, leaves, room))
    if outlines != "none" and len(drawn) == urgent:
        drawn |= dict(_outlines(view.nuclei, leaves, order[urgent:], room))
    outlined = sum(len(leaves[number].rows) for number in drawn)
    manifest = _manifest(view, pyramid, leaves, set(drawn), len(measured), outlined)
    values = [block for blocks in measured for block in blocks]
    return Document((manifest, *first, *base, *pixels, *drawn.values(), *values), outlined)


def _details(pyramid: Pyramid, view: View, room: Room) -> Iterator[Block]:
    """Pixels of places, until their share of the room is full."""
    share = Room(_PIXELS * room.left)
    for blocks in pyramid.details(view.slide, view.places):
        if not share.holds(blocks):
            return
        yield from room.take(blocks)


def _matters(leaf: Leaf, places: Sequence[Bounds]) -> bool:
    left, top, right, bottom = leaf.bounds
    return any(left <= place[2] and place[0] <= right and top <= place[3] and place[1] <= bottom for place in places)


def _outlines(nuclei: Nuclei, leaves: Sequence[Leaf], order: Sequence[int], room: Room) -> Iterator[tuple[int, Block]]:
    for number in order:
        block = nuclei.outlines(number, leaves[number])
        if not room.holds([block]):
            return
        yield number, block


def _measured(view: View, leaves: Sequence[Leaf], room: Room) -> Iterator[list[Block]]:
    """One measure of all nuclei after the other, as far as there is room."""
    for place in range(len(view.measures)):
        blocks = [view.nuclei.measure(number, leaf, place) for number, leaf in enumerate(leaves)]
        if not room.holds(blocks):
            return
        yield blocks


def _manifest(
    view: View, pyramid: Pyramid, leaves: Sequence[Leaf], drawn: set[int], measured: int, outlined: int
) -> Block:
    """What the page's script has to know before it unpacks anything."""
    slide, mpp = view.slide, view.slide.mpp
    told = {
        "width": slide.width_px,
        "height": slide.height_px,
        "mpp": [mpp.x, mpp.y],
        "side": SIDE,
        "finest_um": max(FINEST_MPP, mpp.x),
        "whole": pyramid.whole,
        "levels": [asdict(level) for level in pyramid.levels],
        "unit": [view.grid.factor_x / FINE, view.grid.factor_y / FINE],
        "deviation_um": round(DEVIATION_UM + view.nuclei.rounded_um, 2),
        "digits": DIGITS,
        "types": TYPES,
        "measures": [_measure(view, place, measured) for place in range(len(view.measures))],
        "leaves": [[*leaf.bounds, len(leaf.rows), number in drawn] for number, leaf in enumerate(leaves)],
        "nuclei": len(view.nuclei.x),
        "outlined": outlined,
        "layers": [layer.entry for layer in view.layers],
        "colors": view.colors,
    }
    return Block("v-manifest", json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode())


def _measure(view: View, place: int, measured: int) -> dict[str, Any]:
    column, limits = view.measures[place], view.nuclei.range_of(place)
    term = column.term
    known = {"name": column.name, "label": term.label, "unit": term.unit, "meaning": term.meaning}
    return known | {"limits": limits, "there": place < measured, "whole": column.kind.startswith("int")}
