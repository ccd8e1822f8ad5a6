"""What a stage is: the one record from which commands, rules, resources, pages and descriptions are derived."""

from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, ConfigDict

MANIFEST: Final = "manifest.json"


class Section(BaseModel):
    """A section of the configuration."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Demand:
    """What a stage takes: seconds to start, core seconds and MB of results per mm2 of tissue, MB of memory, threads.

    The figures are those that ``pathopipe bench --mm2 16`` printed (docs/performance.md), rounded up.
    """

    start_s: float
    s_per_mm2: float
    disk_mb_per_mm2: float
    memory_mb: int
    threads: int = 1


@dataclass(frozen=True)
class Stage:
    """A stage.

    Attributes
    ----------
    name
        Of its rule, command, module, results folder and section of the configuration.
    title, help
        What it is called in pages and descriptions, and what the command line says that it does.
    settings
        Its section of the configuration.
    contract
        Version of what it writes.
    reads, writes
        Files that it reads, as ``stage/name``, and writes, besides its manifest.
    demand
        What it takes; None of the stage that gathers.
    reads_pixels
        Whether it opens the slide's file.
    group
        Stages of one group are submitted to a cluster together; alone where empty.
    columns
        Columns of the sample sheet that make it run again when they change; of a path, what its file holds.
    describes
        Whether it writes the RO-Crate of the folder above its own, which says how everything in there was made.
    """

    name: str
    title: str
    help: str
    settings: type[Section]
    contract: int
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    demand: Demand | None = None
    reads_pixels: bool = False
    group: str = ""
    columns: tuple[str, ...] = ()
    describes: bool = False

    @property
    def upstream(self) -> tuple[str, ...]:
        """Names of the stages whose manifests it reads."""
        return tuple(name.partition("/")[0] for name in self.reads if name.endswith(f"/{MANIFEST}"))

    @property
    def reads_sheet(self) -> bool:
        """Whether it needs the slide's line of the sample sheet."""
        return self.reads_pixels or bool(self.columns)
