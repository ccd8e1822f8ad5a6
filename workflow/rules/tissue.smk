rule tissue:
    input:
        **PLAN.reads("tissue"),
    output:
        **PLAN.writes("tissue"),
    log:
        "{slide}/logs/tissue.log",
    conda:
        "../../envs/pathopipe.yaml"
    resources:
        mem_mb=PLAN.memory("tissue"),
        runtime=PLAN.minutes("tissue"),
    params:
        settings=PLAN.settings("tissue"),
        version=PLAN.version("tissue"),
        slide=PLAN.slide_params("tissue"),
    shell:
        "pathopipe tissue {wildcards.slide} --results . --settings {params.settings:q} > {log} 2>&1"
