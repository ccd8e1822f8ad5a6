import shlex
import sys
from pathlib import Path

from pathopipe.pipeline import MAPS
from pathopipe.running import warm
from pathopipe.cli.closing import conclude_own
from pathopipe.running.cluster import check_interpreter
from pathopipe.cli.telling import telling
from pathopipe.jobs.ownership import claim, release
from pathopipe.running.scheduler_patch import calm
from pathopipe.running.slurm_patch import remember_job_age
from pathopipe.running.link_patch import spare_links
from pathopipe.running.plan import plan, slides_of

with telling():
    PLAN = plan(config, slides_of(sys.argv))
PLAN.export()
remember_job_age()
COHORT_SETTINGS = shlex.quote(PLAN.settings("cohort"))


wildcard_constraints:
    slide=PLAN.active_pattern,


def kept(outputs):
    """Outputs of a rule; the maps are deleted when they have served, where the configuration says so."""
    passing = () if PLAN.config.keep_maps else (MAPS,)
    return {
        name: temp(path) if path.endswith(passing) else path
        for name, path in outputs.items()
    }
