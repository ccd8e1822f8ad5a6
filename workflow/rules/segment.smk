rule segment:
    input:
        **PLAN.reads("segment"),
    output:
        **PLAN.writes("segment"),
    log:
        "{slide}/logs/segment.log",
    conda:
        "../../envs/pathopipe.yaml"
    threads: PLAN.threads("segment")
    resources:
        mem_mb=PLAN.memory("segment"),
        runtime=PLAN.minutes("segment"),
    params:
        settings=PLAN.settings("segment"),
        version=PLAN.version("segment"),
        slide=PLAN.slide_params("segment"),
    shell:
        "pathopipe segment {wildcards.slide} --results . --settings {params.settings:q} --workers {threads} > {log} 2>&1"
