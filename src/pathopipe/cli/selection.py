"""Which slides a run is about, and up to which stage."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pathopipe.cli.options import many
from pathopipe.cli.stage_names import STAGES

if TYPE_CHECKING:
    from pathopipe.running.plan import Plan


@dataclass(frozen=True)
class Selection:
    """Which slides to run, all by default, up to which stage, the cohort by default, and which stage in any case."""

    only: tuple[str, ...] | None = None
    until: str | None = None
    rerun: str | None = None

    @property
    def last(self) -> str:
        """The stage that the slides end with."""
        return self.until or "report"

    @property
    def everything(self) -> bool:
        """Whether the whole workflow is asked for."""
        return self.only is None and self.until is None

    def slides(self, plan_: "Plan") -> tuple[str, ...]:
        """Ids of the slides that are asked for.

        Raises
        ------
        RefusalError
            When the sheet does not list one of them.
        """
        from pathopipe.errors import RefusalError

        known = [sample.slide for sample in plan_.samples]
        unknown = sorted(set(self.only or ()) - {*known, *plan_.skipped})
        if unknown:
            raise RefusalError(f"--only: {plan_.sheet} does not list {', '.join(unknown)}")
        return tuple(slide for slide in known if self.only is None or slide in self.only)

    def targets(self, plan_: "Plan") -> list[str]:
        """Files to make, of the slides whose stages may run; none where everything is asked for."""
        if self.everything:
            return []
        wanted = set(self.slides(plan_))
        return [f"{slide}/{self.last}/manifest.json" for slide in plan_.active if slide in wanted]

    @property
    def forced(self) -> tuple[str, ...]:
        """What Snakemake is told of the stage that runs in any case."""
        return ("--forcerun", self.rerun) if self.rerun else ()

    def reported(self, plan_: "Plan") -> str:
        """Say what is asked for."""
        count, listed = len(self.slides(plan_)), len(plan_.samples)
        some = "" if count == listed else f"{count:,} of "
        limit = f", up to {self.until}" if self.until else ""
        return f"{some}{many(listed)} of {plan_.sheet}{limit}, into {plan_.results}"

    def note(self, plan_: "Plan") -> float:
        """Note for `pathopipe status` what is asked for; returns when the run began, by the file system's clock."""
        from pathopipe.fingerprint import fingerprint
        from pathopipe.jobs.asked import note

        made_by = {stage: {"params": json.loads(plan_.settings(stage)), "code": fingerprint(stage)} for stage in STAGES}
        return note(plan_.results, self.slides(plan_), self.last, self.rerun, made_by)


def no_place_for(argument: str) -> str:
    """Say what was probably meant by an argument that is no option."""
    path = Path(argument)
    if argument in STAGES:
        return f"{argument}: give a stage with --until {argument} or --rerun {argument}"
    if path.suffix in {".tsv", ".csv"}:
        return f"{argument}: give the sample sheet with --slides {argument}"
    if path.suffix in {".yaml", ".yml"}:
        return f"{argument}: give the configuration with --config {argument}"
    if path.is_dir():
        return (
            f"{argument}: a sheet lists the slides: 'pathopipe init {argument}' writes one, then start 'pathopipe run'"
        )
    return (
        f"{argument}: a sheet lists the slides: give its ids with --only, or run one file with "
        f"'pathopipe demo --slide {argument}'; arguments for Snakemake go after '--'"
    )
