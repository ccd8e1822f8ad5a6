from pathlib import Path

from snakemake.utils import min_version

min_version("9.20")


if not workflow.configfiles and Path("config/config.yaml").is_file():

    # What --config sets goes before it.
    configfile: "config/config.yaml"


include: "workflow/rules/common.smk"


workdir: RESULTS


if PLAN.config.container:

    container: PLAN.config.container


include: "workflow/rules/tissue.smk"
include: "workflow/rules/tiles.smk"
include: "workflow/rules/detect.smk"
include: "workflow/rules/segment.smk"
include: "workflow/rules/features.smk"
include: "workflow/rules/grade.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/cohort.smk"


rule all:
    default_target: True
    input:
        "cohort/manifest.json",
        # Of a run in which all slides failed there is a page, too: it must not pass for the end.
        PLAN.cohort_inputs,
    localrule: True


onstart:
    claim(PLAN.results)
    calm(workflow.scheduler)
    if workflow.local_exec and not workflow.deployment_settings.deployment_method:
        warm.start()


onsuccess:
    release(PLAN.results)


onerror:
    # What could be finished is gathered all the same, with the faulted slides marked.
    shell("pathopipe cohort --results . --settings {COHORT_SETTINGS} --partial")
    release(PLAN.results)
