rule features:
    input:
        **PLAN.reads("features"),
    output:
        **PLAN.writes("features"),
    log:
        PLAN.log("features"),
    conda:
        PLAN.conda_env
    threads: PLAN.threads("features")
    resources:
        mem_mb=PLAN.memory("features"),
        runtime=PLAN.minutes("features"),
    params:
        results=RESULTS,
        settings=PLAN.settings("features"),
        version=PLAN.version("features"),
        slide=PLAN.slide_params("features"),
    shell:
        "pathopipe features {wildcards.slide} --results {params.results:q} --settings {params.settings:q} --workers {threads} --log {log:q}"
