rule features:
    input:
        **PLAN.reads("features"),
    output:
        **PLAN.writes("features"),
    log:
        "{slide}/logs/features.log",
    conda:
        "../../envs/pathopipe.yaml"
    threads: PLAN.threads("features")
    resources:
        mem_mb=PLAN.memory("features"),
        runtime=PLAN.minutes("features"),
    params:
        settings=PLAN.settings("features"),
        version=PLAN.version("features"),
        slide=PLAN.slide_params("features"),
    shell:
        "pathopipe features {wildcards.slide} --results . --settings {params.settings:q} --workers {threads} > {log} 2>&1"
