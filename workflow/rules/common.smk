import os
import shlex
import sys
from pathlib import Path

from pathopipe.ownership import claim, release
from pathopipe.workflow import plan

# The command of the environment that runs Snakemake, unless a container or conda environment brings its own.
os.environ["PATH"] += os.pathsep + str(Path(sys.executable).parent)

PLAN = plan(config)
RESULTS = str(PLAN.results)
SHEET = shlex.quote(str(PLAN.sheet))
COHORT_SETTINGS = shlex.quote(PLAN.settings("cohort"))


wildcard_constraints:
    slide=PLAN.active_pattern,


def memory(wildcards, attempt):
    return 2000 * attempt


def minutes(wildcards, attempt):
    return 120 * attempt
