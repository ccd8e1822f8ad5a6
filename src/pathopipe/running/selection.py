"""Which slides a run is about, and up to which stage."""

from dataclasses import dataclass

from pathopipe.errors import RefusalError
from pathopipe.jobs.asked import made_by, note
from pathopipe.pipeline import ORDER, stages_up_to
from pathopipe.results.folder import SlideFolder, manifest_name
from pathopipe.running.plan import Plan
from pathopipe.status.reruns import note_rerun
from pathopipe.wording import counted


@dataclass(frozen=True)
class Selection:
    """Which slides to run, all by default, up to which stage, the cohort by default, and which stage in any case."""

    only: tuple[str, ...] | None = None
    until: str | None = None
    rerun: str | None = None

    @property
    def last(self) -> str:
        """The stage that the slides end with."""
        return self.until or ORDER[-1]

    @property
    def everything(self) -> bool:
        """Whether the whole workflow is asked for."""
        return self.only is None and self.until is None

    def slides(self, plan: Plan) -> tuple[str, ...]:
        """Ids of the slides that are asked for.

        Raises
        ------
        RefusalError
            When the sheet does not list one of them.
        """
        known = [sample.slide for sample in plan.samples]
        unknown = sorted(set(self.only or ()) - {*known, *plan.skipped})
        if unknown:
            raise RefusalError(f"--only: {plan.sheet} does not list {', '.join(unknown)}")
        wanted = set(known if self.only is None else self.only)
        return tuple(slide for slide in known if slide in wanted)

    def targets(self, plan: Plan) -> list[str]:
        """Files to make, of the slides whose stages may run; none where everything is asked for."""
        if self.everything:
            return []
        wanted = set(self.slides(plan))
        return [manifest_name(slide, self.last) for slide in plan.active if slide in wanted]

    @property
    def forced(self) -> tuple[str, ...]:
        """Arguments for Snakemake about the stage that runs in any case."""
        return ("--forcerun", self.rerun) if self.rerun else ()

    def unfinished(self, plan: Plan) -> list[str]:
        """Slides that are asked for and whose last file is not there."""
        wanted = set(self.slides(plan))
        return [
            slide for slide in plan.active if slide in wanted and not SlideFolder(plan.results, slide).has(self.last)
        ]

    def described(self, plan: Plan) -> str:
        """Say what is asked for."""
        count, listed = len(self.slides(plan)), len(plan.samples)
        some = "" if count == listed else f"{count:,} of "
        limit = f", up to {self.until}" if self.until else ""
        return f"{some}{counted(listed)} of {plan.sheet}{limit}, into {plan.results}"

    def note(self, plan: Plan) -> float:
        """Note what is asked for, for `pathopipe status` and for the next run, should this one be stopped.

        Returns when the run began, by the file system's clock.
        """
        begun = note(plan.results, self.slides(plan), self.last, self.rerun, made_by(plan.config))
        if self.rerun in stages_up_to(self.last):
            note_rerun(plan.results, self.slides(plan), self.rerun, begun)
        return begun
