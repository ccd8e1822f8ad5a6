rule types:
    input:
        **PLAN.reads("types"),
    output:
        **PLAN.writes("types"),
    log:
        PLAN.log("types"),
    conda:
        PLAN.conda_env
    threads: PLAN.threads("types")
    resources:
        mem_mb=PLAN.memory("types"),
        runtime=PLAN.minutes("types"),
    params:
        results=RESULTS,
        settings=PLAN.settings("types"),
        version=PLAN.version("types"),
        slide=PLAN.slide_params("types"),
    shell:
        "pathopipe types {wildcards.slide} --results {params.results:q} --settings {params.settings:q} --workers {threads} --log {log:q}"
