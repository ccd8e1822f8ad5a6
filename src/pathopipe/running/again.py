"""What Snakemake is told to run again, because it has no way to know: what is missing, or was made otherwise."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import wraps
from typing import Any, Final

from pathopipe.jobs.asked import made_by
from pathopipe.jobs.parallel import READERS, ordered_map
from pathopipe.pipeline import ORDER
from pathopipe.results.folder import SlideFolder
from pathopipe.running.patching import GONE, go_on_without
from pathopipe.running.plan import Plan
from pathopipe.samples import ID_PATTERN
from pathopipe.status.reasons import Wanted, stages_to_force
from pathopipe.status.reruns import reruns_left

_PREPARE: Final = "_prepare_dag"
_FORCED: Final = "forcerun"
_TARGET: Final = re.compile(rf"(?:^|/)({ID_PATTERN})/({'|'.join(ORDER)})/[^/]+$")


def force(workflow: Any, plan: Plan) -> None:
    """Let Snakemake (9.20 to 9.27) run again what `stages_to_force` names, of all that its targets ask for."""
    prepare = getattr(workflow, _PREPARE, None)
    if prepare is None:
        go_on_without("snakemake", _PREPARE, "and does not make again what was deleted")
        return

    @wraps(prepare)
    def prepare_with_more(*arguments: Any, **options: Any) -> Any:
        _force(workflow.dag_settings, plan)  # which are not there yet when the Snakefile is read
        return prepare(*arguments, **options)

    setattr(workflow, _PREPARE, prepare_with_more)


def _force(settings: Any, plan: Plan) -> None:
    if getattr(settings, "target_jobs", None):
        return  # a job is done for another process
    forced: Any = getattr(settings, _FORCED, GONE)
    if forced is GONE:
        go_on_without("snakemake", _FORCED, "and does not make again what was deleted")
    else:
        more = manifests_to_force(plan, _asked_for(settings.targets))
        setattr(settings, _FORCED, frozenset({*forced, *more}))


def wanted(plan: Plan, last: str | None = None, again: str | None = None) -> dict[str, Wanted]:
    """What the stages of the slides that may run are to be made by, by slide."""
    made, left, active = made_by(plan.config), reruns_left(plan.results), set(plan.active)
    return {
        sample.slide: Wanted(
            made_by=made,
            sample=sample,
            identity=plan.identities[sample.slide],
            last=last or ORDER[-1],
            again=again,
            left=left.get(sample.slide, {}),
            keep_maps=plan.config.keep_maps,
        )
        for sample in plan.samples
        if sample.slide in active
    }


def manifests_to_force(plan: Plan, last: dict[str, str] | None = None) -> list[str]:
    """Manifests of stages to run again, as Snakemake calls them; of some slides, up to a stage each, or of all."""

    def look(item: tuple[str, Wanted]) -> Iterator[str]:
        slide, as_wanted = item
        limited = as_wanted if last is None else replace(as_wanted, last=last[slide])
        stages = stages_to_force(SlideFolder(plan.results, slide), limited)
        return (plan.manifest(slide, stage) for stage in stages)

    slides = wanted(plan).items()
    found = ordered_map(look, (item for item in slides if last is None or item[0] in last), READERS)
    return [name for names in found for name in names]


def _asked_for(targets: Iterable[str]) -> dict[str, str] | None:
    """The last stage that targets name, by slide; None where they are not of single slides alone."""
    last = dict[str, str]()
    for target in targets:
        found = _TARGET.search(target)
        if not found:
            return None
        slide, stage = found.groups()
        last[slide] = max(stage, last.get(slide, stage), key=ORDER.index)
    return last or None
