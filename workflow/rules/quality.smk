rule quality:
    input:
        **PLAN.reads("quality"),
    output:
        **PLAN.writes("quality"),
    log:
        PLAN.log("quality"),
    conda:
        PLAN.conda_env
    threads: PLAN.threads("quality")
    resources:
        mem_mb=PLAN.memory("quality"),
        runtime=PLAN.minutes("quality"),
    params:
        results=RESULTS,
        settings=PLAN.settings("quality"),
        version=PLAN.version("quality"),
        slide=PLAN.slide_params("quality"),
    shell:
        "pathopipe quality {wildcards.slide} --results {params.results:q} --settings {params.settings:q} --workers {threads} --log {log:q}"
