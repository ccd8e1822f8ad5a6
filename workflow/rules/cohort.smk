rule cohort:
    input:
        PLAN.cohort_inputs,
    output:
        **in_report(
            PLAN.cohort_outputs,
            "index.html",
            "../report/cohort.rst",
            category="Cohort",
            labels={"page": "all slides"},
        ),
    log:
        PLAN.log("cohort"),
    localrule: True
    conda:
        PLAN.conda_env
    params:
        results=RESULTS,
        settings=PLAN.settings("cohort"),
        version=PLAN.version("cohort"),
        slides=PLAN.cohort_params,
    shell:
        "pathopipe cohort --results {params.results:q} --settings {params.settings:q} --log {log:q}"
