rule segment:
    input:
        **PLAN.reads("segment"),
    output:
        **PLAN.writes("segment"),
    log:
        PLAN.log("segment"),
    conda:
        PLAN.conda_env
    threads: PLAN.threads("segment")
    resources:
        mem_mb=PLAN.memory("segment"),
        runtime=PLAN.minutes("segment"),
    params:
        results=RESULTS,
        settings=PLAN.settings("segment"),
        version=PLAN.version("segment"),
        slide=PLAN.slide_params("segment"),
    shell:
        "pathopipe segment {wildcards.slide} --results {params.results:q} --settings {params.settings:q} --workers {threads} --log {log:q}"
