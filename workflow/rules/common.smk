import shlex
import sys
from pathlib import Path

from pathopipe.cli.summary import conclude_own
from pathopipe.cli.user_errors import user_errors
from pathopipe.config import parse_config
from pathopipe.jobs.ownership import claim, release
from pathopipe.pipeline import MAPS
from pathopipe.running import warm
from pathopipe.running.again import force
from pathopipe.running.cluster import check_interpreter
from pathopipe.running.events import send_events
from pathopipe.running.link_patch import spare_links
from pathopipe.running.preparing import plan_for
from pathopipe.running.scheduler_patch import calm
from pathopipe.running.slurm_patch import remember_job_age, report_failed_submissions

send_events()
with user_errors():
    PLAN = plan_for(sys.argv, parse_config(config, "config"))
PLAN.export()
remember_job_age()
report_failed_submissions()
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


def in_report(outputs, page, caption, **about):
    """Outputs of a rule; Snakemake's report shows the page among them."""
    return {
        name: report(path, caption=caption, **about) if path.endswith(page) else path
        for name, path in outputs.items()
    }
