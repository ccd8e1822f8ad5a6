"""Nuclei that a person has from elsewhere, from whatever file they are in."""

from collections.abc import Callable, Iterator
from pathlib import Path

from pathopipe.annotations.own.base import Batch, Frame, Tally, unfit


def read_own_nuclei(path: Path, frame: Frame, column: str, tally: Tally) -> Iterator[Batch]:
    """Read outlines of GeoJSON (as QuPath exports it), of GeoParquet, or of a label image (PNG or TIFF).

    Of a cell of QuPath the nucleus counts. Each part of a MultiPolygon is a nucleus, holes are filled. What it is, is
    seen from the file's first bytes, not from its name.

    Raises
    ------
    SlideRejectedError
        When the file is none of these, is damaged, or does not fit the slide.
    OSError
        When it can't be read.
    """
    with path.open("rb") as stream:
        head = stream.read(64)
    if not head:
        raise unfit(column, "is empty: export the nuclei again")
    return _reader_of(head, column)(path, frame, column, tally)


_Reader = Callable[[Path, Frame, str, Tally], Iterator[Batch]]


def _reader_of(head: bytes, column: str) -> _Reader:
    if head.startswith(b"PAR1"):
        from pathopipe.annotations.own.geoparquet import read_geoparquet

        return read_geoparquet
    if head.startswith((b"\x89PNG", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        from pathopipe.annotations.own.label_image import read_labels

        return read_labels
    if head.startswith(b"\x1f\x8b") or head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in {b"{", b"["}:
        from pathopipe.annotations.own.geojson import read_geojson

        return read_geojson
    raise unfit(column, "is neither GeoJSON, GeoParquet nor a label image (PNG or TIFF): export the nuclei as one")
