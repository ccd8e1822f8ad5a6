"""The results of a run for Python: slides, tables, polygons, manifests, each read when it is asked for.

Nothing is written. Whether the files are still what was written is the business of ``pathopipe verify``.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from os import PathLike
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Final, Literal

from pathopipe.errors import RefusalError
from pathopipe.pipeline import COHORT, ORDER, STAGES
from pathopipe.record import MANIFEST
from pathopipe.results.documents import damaged
from pathopipe.results.folder import SlideFolder, begun
from pathopipe.results.manifests import AnyManifest, WarningEntry, read_cohort_manifest
from pathopipe.results.marker import check_results
from pathopipe.results.unfinished import reason_of, work_folders

if TYPE_CHECKING:
    import geopandas
    import pandas as pd
    import pyarrow as pa
    import shapely

    from pathopipe.ops.regions import Region
    from pathopipe.results.contents import GradeFile
    from pathopipe.results.heat_map import Square
    from pathopipe.results.schemas.column import Table

State = Literal["done", "rejected", "failed", "not finished"]

_TABLES: Final = {
    PurePath(name).stem: (stage.name, name)
    for stage in STAGES.values()
    for name in stage.writes
    if name.endswith(".parquet")
}
_GEOPANDAS: Final = "outlines as a GeoDataFrame need geopandas: pip install 'pathopipe[geo]'"


class SlideResults(SlideFolder):
    """The results of one slide.

    Errors of all that reads: `errors.ArtifactError` where a file is not there yet, or is damaged. A slide that was
    rejected has all tables, without rows.
    """

    @property
    def id(self) -> str:
        """The slide's id in the sample sheet."""
        return self.slide

    @property
    def state(self) -> State:
        """``done``, ``rejected``, ``failed`` or ``not finished``: also while a run is working on it."""
        return self._standing[0]

    @property
    def reason(self) -> str | None:
        """Why the slide was rejected or failed, or what is still missing; None where it is done."""
        return self._standing[1]

    @property
    def warnings(self) -> list[WarningEntry]:
        """Warnings of the finished stages, in their order."""
        return [entry for manifest in self.manifests.values() for entry in manifest.get("quality") or ()]

    @property
    def statistics(self) -> dict[str, Any]:
        """The row of ``statistics.parquet`` about the whole slide, by column; empty for a rejected slide."""
        from pathopipe.results.contents import read_statistics

        return read_statistics(self._table("statistics"))

    @property
    def grade(self) -> "GradeFile":
        """Content of ``grade.json``; ``grade`` in it is None where the grader abstained."""
        from pathopipe.results.contents import read_grade

        return read_grade(self.file("grade", "grade.json"))

    def table(self, name: str, columns: Sequence[str] | None = None) -> "pd.DataFrame":
        """Read a table, or some columns of it.

        The tables are ``tiles``, ``detections``, ``nuclei``, ``features``, ``statistics`` and ``types``.

        Raises
        ------
        RefusalError
            When there is no such table, or no such column.
        """
        return self.arrow(name, columns).to_pandas()

    def arrow(self, name: str, columns: Sequence[str] | None = None) -> "pa.Table":
        """As `table`, for Arrow; metadata of each field: ``description``, and ``unit`` where it has one."""
        from pathopipe.results.schemas.tables import TABLES

        return _read(self._table(name), columns, TABLES.get(name))

    def polygons(self, columns: Sequence[str] = ("nucleus_id", "area_um2", "score")) -> "geopandas.GeoDataFrame":
        """Read the outlines of the nuclei, in level-0 pixels, with columns of ``nuclei.parquet``.

        Raises
        ------
        RefusalError
            When geopandas is not installed, or there is no such column.
        """
        try:
            import geopandas
        except ImportError:
            raise RefusalError(_GEOPANDAS) from None
        from pathopipe.results.outlines import polygons_of

        found = self.table("nuclei", [*(name for name in columns if name != "geometry"), "geometry"])
        outlines = polygons_of(self._table("nuclei"), found.pop("geometry").to_numpy())
        return geopandas.GeoDataFrame(found, geometry=outlines)

    def columns(self) -> list[str]:
        """Names of what is known of each nucleus: columns of ``features``, ``types`` and ``nuclei``, each once."""
        from pathopipe.results.joined import joined_names

        return joined_names(self)

    def batches(self, columns: Sequence[str]) -> "Iterator[pa.RecordBatch]":
        """Go through the nuclei with some of these columns, 8,192 at a time, for Arrow."""
        from pathopipe.results.joined import joined_batches

        return joined_batches(self, columns)

    def regions(self) -> "list[Region]":
        """Read the regions that statistics describe, in level-0 pixels: those drawn by hand, and the two fields."""
        from pathopipe.results.regions import read_regions

        return read_regions(self.file("statistics", "regions.geojson"), self.manifest("tissue"))

    def tissue(self) -> "list[shapely.Polygon]":
        """Read the pieces of tissue, in level-0 pixels."""
        from pathopipe.results.tissue import read_tissue

        return read_tissue(self.file("tissue", "tissue.geojson"), self.manifest("tissue"))

    def heat_map(self) -> "list[Square]":
        """Read the squares of the heat map, in level-0 pixels, with what their nuclei contribute to the score."""
        from pathopipe.results.heat_map import read_heat_map

        return read_heat_map(self.file("grade", "heatmap.geojson"), self.manifest("tissue"))

    def __repr__(self) -> str:
        """Name the slide."""
        return f"<slide {self.slide}>"

    @cached_property
    def _standing(self) -> tuple[State, str | None]:
        for work in work_folders(self.folder):
            if reason := reason_of(work):
                return "failed", f"{work.name}: {reason}"
        missing = next((stage for stage in ORDER if stage not in self.ended or self.is_overtaken(stage)), None)
        current = ORDER[: ORDER.index(missing)] if missing else ORDER
        # Whoever follows passes a rejection on, so that one manifest is read and not seven.
        if self.rejection(current[-1:]) and (rejected := self.rejection(current)):
            return "rejected", rejected[1]
        return ("not finished", f"the stage '{missing}' has not been finished") if missing else ("done", None)

    def _table(self, name: str) -> Path:
        if name not in _TABLES:
            raise RefusalError(f"there is no table '{name}'; the tables are {', '.join(_TABLES)}")
        return self.file(*_TABLES[name])


class Results(Mapping[str, SlideResults]):
    """The results of a run: slides by id, in the order of their ids."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __getitem__(self, slide: str) -> SlideResults:
        """Return the results of a slide."""
        return self._slides[slide]

    def __iter__(self) -> Iterator[str]:
        """Go through the ids."""
        return iter(self._slides)

    def __len__(self) -> int:
        """Count the slides that have been begun."""
        return len(self._slides)

    @property
    def slides(self) -> tuple[SlideResults, ...]:
        """All slides that have been begun."""
        return tuple(self._slides.values())

    @property
    def manifest(self) -> AnyManifest:
        """The manifest of the cohort."""
        return read_cohort_manifest(self.folder / COHORT.name / MANIFEST)

    def cohort(self, columns: Sequence[str] | None = None) -> "pd.DataFrame":
        """Read the table over all slides of the sheet, or some columns of it, a row per slide.

        Raises
        ------
        ArtifactError
            When no run has gathered the slides yet.
        RefusalError
            When there is no such column.
        """
        return self.cohort_arrow(columns).to_pandas()

    def cohort_arrow(self, columns: Sequence[str] | None = None) -> "pa.Table":
        """As `cohort`, for Arrow; metadata of each field: ``description``, and ``unit`` where it has one."""
        return _read(self.folder / COHORT.name / "cohort.parquet", columns, None)

    @cached_property
    def _slides(self) -> dict[str, SlideResults]:
        return {slide: SlideResults(self.folder, slide) for slide in begun(self.folder)}


def open_results(folder: str | PathLike[str]) -> Results:
    """Open a results folder for reading; of the slides nothing is read yet.

    Parameters
    ----------
    folder
        What ``pathopipe run`` wrote to: ``results`` by default.

    Raises
    ------
    RefusalError
        When there is no such folder, or a newer version of pathopipe wrote it.
    """
    place = Path(folder)
    if not place.is_dir():
        raise RefusalError(f"{place}: this folder does not exist: give the one that 'pathopipe run' wrote to")
    check_results(place)
    return Results(place)


def _read(path: Path, columns: Sequence[str] | None, table: "Table | None") -> "pa.Table":
    from pathopipe.results.tables import ANY, column_names, read_table

    known, table = column_names(path), table or ANY
    if not {column.name for column in table.columns} <= set(known):
        raise damaged(path)
    if columns is None:
        return read_table(path, table=table)
    if unknown := [name for name in columns if name not in known]:
        raise RefusalError(f"{path.name} has no column '{unknown[0]}'; it has {', '.join(known)}")
    return read_table(path, list(columns), table)
