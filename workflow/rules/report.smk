rule report:
    input:
        **PLAN.reads("report"),
    output:
        **in_report(
            PLAN.writes("report"),
            "report.html",
            "../report/slide.rst",
            category="Slides",
            labels={"slide": "{slide}"},
        ),
    log:
        PLAN.log("report"),
    conda:
        PLAN.conda_env
    resources:
        mem_mb=PLAN.memory("report"),
        runtime=PLAN.minutes("report"),
    params:
        results=RESULTS,
        settings=PLAN.settings("report"),
        version=PLAN.version("report"),
        slide=PLAN.slide_params("report"),
    shell:
        "pathopipe report {wildcards.slide} --results {params.results:q} --settings {params.settings:q} --log {log:q}"
