import shlex
import sys
from pathlib import Path

from pathopipe.artifacts import MAPS
from pathopipe.cli import warm
from pathopipe.cli.closing import conclude_own
from pathopipe.cli.cluster import check_interpreter
from pathopipe.cli.telling import telling
from pathopipe.ownership import claim, release
from pathopipe.scheduling import calm
from pathopipe.slurm import remember_job_age
from pathopipe.sparing import spare_links
from pathopipe.workflow import plan, slides_of

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
