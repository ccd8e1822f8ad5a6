# Trains a grader on one cohort and grades another with it:
#   snakemake -s workflow/own_grader.smk --cores 2 --config learn=train.tsv grade=test.tsv label=grade
# Everything lies below `out` (own_grader): results of both cohorts, the grader with its card and evaluation.json.
from pathlib import Path

OUT = Path(config.get("out", "own_grader"))
LEARN, GRADE = config.get("learn", "train.tsv"), config.get("grade", "test.tsv")
LABEL = config.get("label", "grade")


rule all:
    default_target: True
    input:
        OUT / "graded.done",
    localrule: True


rule describe_cohort:
    input:
        LEARN,
    output:
        touch(OUT / "described.done"),
    log:
        OUT / "describe.log",
    threads: workflow.cores
    params:
        slides=f"slides={LEARN}",
        results=f"results={OUT / 'learned'}",
    shell:
        "pathopipe run --cores {threads} --until statistics --set {params.slides:q} --set {params.results:q}"
        " > {log:q} 2>&1"


rule train_grader:
    input:
        slides=LEARN,
        described=OUT / "described.done",
    output:
        grader=OUT / "grader" / "own.safetensors",
        evaluation=OUT / "grader" / "evaluation.json",
    log:
        OUT / "train.log",
    params:
        results=OUT / "learned",
        label=LABEL,
        folder=OUT / "grader",
    shell:
        "pathopipe train grade --slides {input.slides:q} --results {params.results:q} --label {params.label:q}"
        " --out {params.folder:q} --name own > {log:q} 2>&1"


rule grade_cohort:
    input:
        slides=GRADE,
        grader=OUT / "grader" / "own.safetensors",
    output:
        touch(OUT / "graded.done"),
    log:
        OUT / "grade.log",
    threads: workflow.cores
    params:
        slides=f"slides={GRADE}",
        results=f"results={OUT / 'graded'}",
        grader=f"grade.grader={OUT / 'grader' / 'own.safetensors'}",
    shell:
        "pathopipe run --cores {threads} --set {params.slides:q} --set {params.results:q} --set {params.grader:q}"
        " > {log:q} 2>&1"
