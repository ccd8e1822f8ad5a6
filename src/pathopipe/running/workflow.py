"""One run of the workflow: what Snakemake is started with, and again slide by slide where a batch failed."""

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from pathopipe.files import remove
from pathopipe.fingerprint import handed_down
from pathopipe.jobs.ownership import adopt
from pathopipe.pipeline import COHORT, STAGES
from pathopipe.provenance import workflow_folder
from pathopipe.reporting.cohort_settings import OTHER_SETTINGS
from pathopipe.results.documents import write_json
from pathopipe.results.folder import SlideFolder
from pathopipe.results.names import CACHE, RUN_CONFIG
from pathopipe.running.again import wanted
from pathopipe.running.cluster import Place, environment, prepared
from pathopipe.running.events import ASK_FOR_EVENTS, receive_events
from pathopipe.running.expectations import expectations
from pathopipe.running.keeper import kept
from pathopipe.running.plan import Plan
from pathopipe.running.progress import Progress
from pathopipe.running.selection import Selection
from pathopipe.running.snakemake_log import begin_log, log_of
from pathopipe.status.reasons import reasons_to_run_again

Say: TypeAlias = Callable[[str], None]
Follow: TypeAlias = Callable[[Iterator[Mapping[str, Any]]], Progress]
"""Takes in all events of Snakemake's process, and shows them."""

_DRY = {"-n", "--dry-run", "--dryrun"}


@dataclass(frozen=True)
class Run:
    """A run that its caller owns the results folder for.

    Attributes
    ----------
    cores
        None where the profile says how many.
    arguments
        Further ones for Snakemake.
    """

    plan: Plan
    selection: Selection
    place: Place
    cores: int | None
    arguments: tuple[str, ...] = ()

    @cached_property
    def slides(self) -> tuple[str, ...]:
        """Ids of the slides that are asked for."""
        return self.selection.slides(self.plan)

    @property
    def only_plans(self) -> bool:
        """Whether the arguments for Snakemake say that nothing is to be run."""
        return bool(_DRY & set(self.arguments))

    def introduction(self) -> Iterator[str]:
        """What is worth knowing before it begins."""
        plan = self.plan
        if licence := plan.model_licence:
            yield f"nucleus model {plan.config.detect.model.partition('@')[0]}: {licence}"
        if plan.skipped:
            yield f"left out, because the file is missing: {', '.join(plan.skipped)}"
        if plan.absent:
            yield f"the file no longer exists; finished results are kept: {', '.join(plan.absent)}"
        yield from self._other_settings()
        yield from self._reasons()
        yield from expectations(plan, self.slides, self.cores)

    def _other_settings(self) -> Iterator[str]:
        """Of a sheet that a cohort left to be repeated: what one configuration does not repeat."""
        for sample in self.plan.samples:
            if (other := sample.extra.get(OTHER_SETTINGS)) and sample.slide in self.slides:
                remedy = f"give them with --only {sample.slide} and --set"
                yield f"{sample.slide}: by the sheet it was made with {other}, which this run does not use: {remedy}"

    def _reasons(self) -> list[str]:
        """Why stages run again that were finished."""
        plan, selection = self.plan, self.selection
        made = wanted(plan, selection.last, selection.rerun)
        return reasons_to_run_again(
            (SlideFolder(plan.results, slide), made[slide]) for slide in self.slides if slide in made
        )

    def plan_only(self) -> int:
        """Have Snakemake plan, and show what it says; returns its code."""
        return subprocess.run(self._command(), check=False, env=self._environment()).returncode

    def count(self) -> tuple[int, Progress, str]:
        """Have Snakemake plan; returns its code, the jobs that it would start, and what else it says."""
        command, said, progress = self._command("--dry-run"), list[str](), Progress()
        done = subprocess.run(
            command, check=False, env=self._environment(events=True), capture_output=True, text=True, errors="replace"
        )
        for event in receive_events(done.stdout.splitlines(keepends=True), said.append):
            progress.take(event)
        return done.returncode, progress, "".join(said) + done.stderr

    def execute(self, say: Say, follow: Follow) -> int:
        """Run what is asked for, if there is anything; returns Snakemake's code."""
        if not (self.selection.everything or self.selection.targets(self.plan)):
            return 0
        code = self._snakemake((), say, follow)
        if code and self.place.batches and len(self.selection.unfinished(self.plan)) > 1:
            say("a batch of slides failed: continuing slide by slide")
            code = self._snakemake(self.place.slide_by_slide, say, follow)
        return code

    def _snakemake(self, options: tuple[str, ...], say: Say, follow: Follow) -> int:
        results = self.plan.results
        with (
            prepared(self.place, results, log_of(results), say),
            kept(self._command(*options), self._environment(events=True)) as process,
        ):
            adopt(results, process.pid)
            progress = follow(receive_events(process.stdout or (), begin_log(results)))
            code = process.wait()
        if not (code or progress.planned):
            say("nothing to do: everything is up to date")
        return code

    def _passed_on(self) -> tuple[str, ...]:
        return (*self.place.arguments, *self.selection.forced, *self.arguments)

    def _environment(self, events: bool = False) -> dict[str, str]:
        found = environment(self.plan.results, self._passed_on()) | handed_down((*STAGES, COHORT.name))
        return found | (dict(ASK_FOR_EVENTS) if events else {})

    def _command(self, *options: str) -> list[str]:
        """Write the configuration where Snakemake finds it, and return what starts it.

        Weights are in it by their name among the results: Snakemake, and jobs elsewhere, start in another folder.
        """
        results, targets = self.plan.results, self.selection.targets(self.plan)
        write_json(results / RUN_CONFIG, self.plan.config.model_dump(mode="json"), results)
        # The owner file says that nobody else is at work here, so Snakemake's own lock can only be a killed run's.
        # So can what is in its cache.
        for left in (".snakemake/locks", CACHE):
            with contextlib.suppress(OSError):
                remove(results / left, results)
        return [
            *(sys.executable, "-m", "snakemake"),
            *("--snakefile", str(workflow_folder() / "Snakefile")),
            *("--directory", str(results)),
            *("--configfile", str(results / RUN_CONFIG)),
            *(("--cores", str(self.cores)) if self.cores else ()),
            *self._passed_on(),
            *options,
            *(("--", *targets) if targets else ()),
        ]
