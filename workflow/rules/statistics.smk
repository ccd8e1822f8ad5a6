rule statistics:
    input:
        **PLAN.reads("statistics"),
    output:
        **PLAN.writes("statistics"),
    log:
        PLAN.log("statistics"),
    conda:
        PLAN.conda_env
    threads: PLAN.threads("statistics")
    resources:
        mem_mb=PLAN.memory("statistics"),
        runtime=PLAN.minutes("statistics"),
    params:
        results=RESULTS,
        settings=PLAN.settings("statistics"),
        version=PLAN.version("statistics"),
        slide=PLAN.slide_params("statistics"),
    shell:
        "pathopipe statistics {wildcards.slide} --results {params.results:q} --settings {params.settings:q} --workers {threads} --log {log:q}"
