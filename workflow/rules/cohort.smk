rule cohort:
    input:
        PLAN.cohort_inputs,
    output:
        **PLAN.cohort_outputs,
    log:
        "cohort/logs/cohort.log",
    benchmark:
        "cohort/logs/cohort.tsv"
    conda:
        "../../envs/pathopipe.yaml"
    localrule: True
    params:
        settings=PLAN.settings("cohort"),
        version=PLAN.version("cohort"),
        slides=PLAN.cohort_params,
    shell:
        "{COHORT_COMMAND} > {log} 2>&1"
