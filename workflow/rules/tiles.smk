rule tiles:
    input:
        **PLAN.reads("tiles"),
    output:
        **PLAN.writes("tiles"),
    log:
        PLAN.log("tiles"),
    conda:
        PLAN.conda_env
    resources:
        mem_mb=PLAN.memory("tiles"),
        runtime=PLAN.minutes("tiles"),
    params:
        results=RESULTS,
        settings=PLAN.settings("tiles"),
        version=PLAN.version("tiles"),
        slide=PLAN.slide_params("tiles"),
    shell:
        "pathopipe tiles {wildcards.slide} --results {params.results:q} --settings {params.settings:q} --log {log:q}"
