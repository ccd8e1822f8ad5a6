rule detect:
    input:
        **PLAN.reads("detect"),
    output:
        **kept(PLAN.writes("detect")),
    log:
        PLAN.log("detect"),
    conda:
        PLAN.conda_env
    threads: PLAN.threads("detect")
    resources:
        mem_mb=PLAN.memory("detect"),
        runtime=PLAN.minutes("detect"),
        gpu=PLAN.gpus,
    params:
        results=RESULTS,
        settings=PLAN.settings("detect"),
        version=PLAN.version("detect"),
        slide=PLAN.slide_params("detect"),
    shell:
        "pathopipe detect {wildcards.slide} --results {params.results:q} --settings {params.settings:q} --workers {threads} --log {log:q}"
