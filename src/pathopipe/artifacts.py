"""The artifact contract: which stage writes and reads which files, and how they are written.

Every file lies at ``results/<slide>/<stage>/<name>``. A stage writes into a work folder; its files are moved into place
when all of them are complete, the manifest last.
"""

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pathopipe.errors import ArtifactError, RefusalError, cause
from pathopipe.files import opened, remove, write_whole

MANIFEST = "manifest.json"
RUN = "run.json"
CRATE = "ro-crate-metadata.json"
MARKER = "pathopipe.json"
MAPS = "maps.zarr.zip"
KNOWN_SLIDES = ".pathopipe/identities.json"
RUN_CONFIG = ".pathopipe/config.json"
ASKED = ".pathopipe/asked.json"
CACHE = ".pathopipe/cache"
ROWS_PER_GROUP = 8_192


@dataclass(frozen=True)
class Contract:
    """What a stage promises.

    Attributes
    ----------
    version
        Of its output.
    reads, writes
        Files that it reads, as ``stage/name``, and writes, besides its manifest.
    describes
        Whether it writes the RO-Crate of the folder above its own, which tells how all in there was made.
    """

    version: int
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    describes: bool = False


CONTRACTS = {
    "tissue": Contract(1, (), ("tissue.geojson", "thumbnail.jpg")),
    "tiles": Contract(1, ("tissue/manifest.json", "tissue/tissue.geojson"), ("tiles.parquet",)),
    "detect": Contract(
        2,
        ("tissue/manifest.json", "tissue/tissue.geojson", "tiles/manifest.json", "tiles/tiles.parquet"),
        ("detections.parquet", MAPS),
    ),
    "segment": Contract(
        1,
        ("detect/manifest.json", "detect/detections.parquet", f"detect/{MAPS}"),
        ("nuclei.parquet",),
    ),
    "features": Contract(
        2,
        ("tissue/manifest.json", "detect/manifest.json", "segment/manifest.json", "segment/nuclei.parquet"),
        ("features.parquet", "statistics.parquet"),
    ),
    "grade": Contract(
        2,
        (
            "tissue/manifest.json",
            "detect/manifest.json",
            "segment/nuclei.parquet",
            "features/manifest.json",
            "features/features.parquet",
        ),
        ("grade.json",),
    ),
    "report": Contract(
        3,
        (
            "tissue/manifest.json",
            "tissue/tissue.geojson",
            "tissue/thumbnail.jpg",
            "tiles/manifest.json",
            "detect/manifest.json",
            "segment/manifest.json",
            "segment/nuclei.parquet",
            "features/manifest.json",
            "features/features.parquet",
            "features/statistics.parquet",
            "grade/manifest.json",
            "grade/grade.json",
        ),
        ("report.html",),
        describes=True,
    ),
}
"""The stages that run per slide, in order."""

READING_PIXELS = frozenset({"tissue", "detect", "features", "report"})
"""The stages that open the slide's file."""

COHORT = Contract(
    3,
    (
        "tissue/manifest.json",
        "tissue/thumbnail.jpg",
        "detect/manifest.json",
        "features/manifest.json",
        "features/statistics.parquet",
        "grade/manifest.json",
        "grade/grade.json",
        "report/manifest.json",
    ),
    ("cohort.tsv", "cohort.parquet", "index.html", "slides.tsv", "config.json", "requirements.txt", "Snakefile"),
    describes=True,
)
"""What the gathering stage reads of each slide, and writes to ``results/cohort``."""


def weights_folder(results: Path) -> Path:
    """Where a results folder keeps weights that don't come with the package, by digest."""
    return results / ".pathopipe" / "weights"


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON artifact.

    Raises
    ------
    ArtifactError
        When it is missing or no JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _unreadable(path, error) from error
    except ValueError as error:
        raise _damaged(path) from error
    if not isinstance(content, dict):
        raise _damaged(path)
    return content


def _unreadable(path: Path, error: OSError) -> ArtifactError:
    return ArtifactError(f"cannot be read ({cause(error)}): run the stage that writes it", path, called(path))


def _damaged(path: Path) -> ArtifactError:
    return ArtifactError("is damaged: delete it and run again", path, called(path))


def called(path: Path) -> str:
    """What a file of the results is called in them, where nothing says in which folder they lie."""
    stage = path.parent.name
    return f"{stage}/{path.name}" if stage in {*CONTRACTS, "cohort"} else path.name


def read_manifests(folder: Path) -> dict[str, dict[str, Any]]:
    """Manifests of a slide's stages, of those that have one that can be read, by stage, in order."""
    found = {}
    for stage in CONTRACTS:
        with contextlib.suppress(ArtifactError):
            found[stage] = read_json(folder / stage / MANIFEST)
    return found


def write_json(path: Path, content: dict[str, Any], root: Path | None = None) -> None:
    """Write JSON with sorted keys: the same content gives the same bytes; a half-written file never shows.

    Below the root, by default the file's own folder, no symbolic link is followed.
    """
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_whole(path, f"{text}\n".encode(), root)


def publish(draft: Path, final: Path, results: Path) -> None:
    """Move the finished files of a stage from its work folder into place, the manifest last.

    That of an earlier result goes before all else: it tells of the files that are replaced. A description of the folder
    above goes there.
    """
    places = opened(draft, results), opened(final, results, make=True), opened(final.parent, results)
    with places[0] as source, places[1] as target, places[2] as above:
        remove(final / MANIFEST, results)
        for name in sorted((file.name for file in draft.iterdir()), key=lambda name: (name == MANIFEST, name)):
            os.replace(name, name, src_dir_fd=source, dst_dir_fd=above if name == CRATE else target)
    remove(draft, results)


class TableWriter:
    """Writes a Parquet table in row groups of a fixed number of rows, however the rows arrive.

    So the bytes don't depend on how the rows were flushed, and no more than one group is held in memory.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")
        self._schema = schema
        self._waiting: list[pa.Table] = []
        self._rows = 0
        self.count = 0

    def __enter__(self) -> "TableWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush(self._rows)
        self._writer.close()

    def write(self, columns: dict[str, Any]) -> None:
        """Append rows given as arrays per column."""
        table = pa.table([_column(columns[field.name], field.type) for field in self._schema], schema=self._schema)
        self._waiting.append(table)
        self._rows += len(table)
        self.count += len(table)
        while self._rows >= ROWS_PER_GROUP:
            self._flush(ROWS_PER_GROUP)

    def _flush(self, rows: int) -> None:
        if not rows:
            return
        table = pa.concat_tables(self._waiting).combine_chunks()
        self._writer.write_table(table.slice(0, rows), row_group_size=ROWS_PER_GROUP)
        self._waiting = [table.slice(rows)] if len(table) > rows else []
        self._rows -= rows


def _column(values: Any, kind: pa.DataType) -> pa.Array:
    """Make an Arrow column; NaN becomes null. Numbers go in as they lie in memory: `pyarrow.array` imports pandas."""
    if isinstance(values, np.ndarray) and (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        data = np.ascontiguousarray(values, kind.to_pandas_dtype())
        known = np.isfinite(data)
        valid = None if known.all() else pa.py_buffer(np.packbits(known, bitorder="little"))
        return pa.Array.from_buffers(kind, len(data), [valid, pa.py_buffer(data)])
    return values if isinstance(values, pa.Array) else pa.array(values, kind)


def numbers(column: pa.Array | pa.ChunkedArray) -> NDArray[Any]:
    """Return a numeric column as an array (N,); in floats, null becomes NaN.

    pyarrow's own ``to_numpy`` imports pandas where that is installed, which takes longer than a small slide's stage.
    """
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not whole.null_count:
        return np.asarray(np.from_dlpack(whole))
    known = np.from_dlpack(whole.is_valid().cast(pa.uint8())) == 1
    values = np.full(len(whole), np.nan)
    values[known] = np.from_dlpack(whole.drop_null())
    return values


def read_batches(path: Path, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Read a Parquet table one row group at a time."""
    with _open_parquet(path) as file:
        for group in range(file.num_row_groups):
            yield from file.read_row_group(group, columns=columns).combine_chunks().to_batches()


def read_columns(path: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Read numeric columns as arrays (N,), a row group at a time, so that none is ever held twice."""
    with _open_parquet(path) as file:
        kinds = {name: file.schema_arrow.field(name).type.to_pandas_dtype() for name in names}
        whole = {name: np.empty(file.metadata.num_rows, kind) for name, kind in kinds.items()}
        start = 0
        for group in range(file.num_row_groups):
            part = file.read_row_group(group, columns=list(names))
            for name in names:
                whole[name][start : start + len(part)] = numbers(part[name])
            start += len(part)
    return whole


def read_table(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read a whole Parquet table, or some columns of it."""
    with _open_parquet(path) as file:
        return file.read(columns=columns)


def _open_parquet(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    except pa.ArrowInvalid as error:
        raise _damaged(path) from error


def check_results(results: Path) -> None:
    """Refuse a results folder that a newer version wrote, before anything in it is touched.

    Raises
    ------
    RefusalError
        When the folder's marker names a newer contract of any stage, or is damaged.
    """
    marker = results / MARKER
    if not marker.exists():
        return
    try:
        written = read_json(marker)["contracts"]
        newer = sorted(name for name, version in written.items() if version > _versions().get(name, 0))
    except (ArtifactError, KeyError, TypeError, AttributeError):
        raise RefusalError(f"{marker}: is damaged; give another results folder, or delete the file") from None
    if newer:
        raise RefusalError(
            f"{results}: was written by a newer version of pathopipe ({', '.join(newer)}): update pathopipe, "
            "or give another results folder"
        )


def mark_results(results: Path) -> None:
    """Leave the contract versions in the results folder."""
    content = {"contracts": _versions()}
    if not (results / MARKER).exists() or read_json(results / MARKER) != content:
        write_json(results / MARKER, content, results)


def _versions() -> dict[str, int]:
    return {name: contract.version for name, contract in [*CONTRACTS.items(), ("cohort", COHORT)]}
