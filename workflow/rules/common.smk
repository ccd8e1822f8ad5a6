import shlex

from pathopipe.artifacts import MAPS
from pathopipe.cli import warm
from pathopipe.ownership import claim, release
from pathopipe.scheduling import calm
from pathopipe.slurm import remember_job_age
from pathopipe.workflow import plan

PLAN = plan(config)
RESULTS = str(PLAN.results)
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
