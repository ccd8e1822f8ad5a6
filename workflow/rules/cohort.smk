rule cohort:
    input:
        PLAN.cohort_inputs,
    output:
        **PLAN.cohort_outputs,
    log:
        "cohort/logs/cohort.log",
    localrule: True
    conda:
        "../../envs/pathopipe.yaml"
    params:
        settings=PLAN.settings("cohort"),
        version=PLAN.version("cohort"),
        slides=PLAN.cohort_params,
    shell:
        "pathopipe cohort --results . --settings {params.settings:q} > {log} 2>&1"
