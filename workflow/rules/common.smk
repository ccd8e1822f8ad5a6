import shlex

from pathopipe.ownership import claim, release
from pathopipe.workflow import plan

PLAN = plan(config)
RESULTS = str(PLAN.results)
PLAN.export()
COHORT_SETTINGS = shlex.quote(PLAN.settings("cohort"))


wildcard_constraints:
    slide=PLAN.active_pattern,
