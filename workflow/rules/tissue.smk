rule tissue:
    input:
        **PLAN.reads("tissue"),
    output:
        **PLAN.writes("tissue"),
    log:
        PLAN.log("tissue"),
    conda:
        PLAN.conda_env
    resources:
        mem_mb=PLAN.memory("tissue"),
        runtime=PLAN.minutes("tissue"),
    params:
        results=RESULTS,
        settings=PLAN.settings("tissue"),
        version=PLAN.version("tissue"),
        slide=PLAN.slide_params("tissue"),
    shell:
        "pathopipe tissue {wildcards.slide} --results {params.results:q} --settings {params.settings:q} --log {log:q}"
