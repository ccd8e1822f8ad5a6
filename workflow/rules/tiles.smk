rule tiles:
    input:
        **PLAN.reads("tiles"),
    output:
        **PLAN.writes("tiles"),
    log:
        "{slide}/logs/tiles.log",
    conda:
        "../../envs/pathopipe.yaml"
    resources:
        mem_mb=PLAN.memory("tiles"),
        runtime=PLAN.minutes("tiles"),
    params:
        settings=PLAN.settings("tiles"),
        version=PLAN.version("tiles"),
        slide=PLAN.slide_params("tiles"),
    shell:
        "pathopipe tiles {wildcards.slide} --results . --settings {params.settings:q} > {log} 2>&1"
