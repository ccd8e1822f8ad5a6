from snakemake.utils import min_version

from pathopipe.cli.options import find_config
from pathopipe.pipeline import COHORT, STAGES

min_version("9.20")


if not workflow.configfiles and find_config(None):

    # What --config sets goes before it.
    # Absolute: Snakemake's report reads it again, from the folder of the results.
    configfile: str(find_config(None).absolute())


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"


if workflow.modifier.is_main_snakefile():

    # Of a workflow that imports this one as a module, it would be the folder, too.
    workdir: str(PLAN.results)


with user_errors():
    RESULTS = PLAN.place
    spare_links(Path(RESULTS))
    if workflow.modifier.is_main_snakefile():
        force(workflow, PLAN)


if PLAN.config.container:

    container: PLAN.config.container


for stage in (*STAGES, COHORT.name):

    include: f"workflow/rules/{stage}.smk"


rule all:
    default_target: True
    input:
        PLAN.cohort_outputs.values(),
        # Of a run in which all slides failed there is a page, too: it must not pass for the end.
        PLAN.cohort_inputs,
    localrule: True


onstart:
    with user_errors():
        if not workflow.local_exec:
            check_interpreter()
        claim(PLAN.results)
    calm(workflow.scheduler)
    if workflow.local_exec and not workflow.deployment_settings.deployment_method:
        warm.start("pathopipe.cli.app:call", "pathopipe.cli.stage")


onsuccess:
    conclude_own(PLAN)
    release(PLAN.results)


onerror:
    # What could be finished is gathered all the same, with the faulted slides marked.
    shell(
        "pathopipe cohort --results {RESULTS:q} --settings {COHORT_SETTINGS} --partial"
    )
    conclude_own(PLAN)
    release(PLAN.results)
