rule grade:
    input:
        **PLAN.reads("grade"),
    output:
        **PLAN.writes("grade"),
    log:
        PLAN.log("grade"),
    conda:
        PLAN.conda_env
    resources:
        mem_mb=PLAN.memory("grade"),
        runtime=PLAN.minutes("grade"),
    params:
        results=RESULTS,
        settings=PLAN.settings("grade"),
        version=PLAN.version("grade"),
        slide=PLAN.slide_params("grade"),
    shell:
        "pathopipe grade {wildcards.slide} --results {params.results:q} --settings {params.settings:q} --log {log:q}"
