rule collect_runs:
    input:
        **command_files("workflow/scripts/collect_runs.py"),
        planned="logs/plan/grid.jsonl",
        records=grid_records,
    output:
        runs="results/tables/runs.csv",
        parquet="results/tables/runs.parquet",
        curves="results/tables/curves.csv",
        metrics="results/tables/metrics.csv",
    log:
        "logs/collect_runs.log",
    localrule: True
    conda:
        "../../envs/figures.yaml"
    params:
        keep=KEEP,
    shell:
        '"$PYTHON" {input.script:q} --planned {input.planned:q} {params.keep}'
        " --output-dir $(dirname {output.runs:q}) > {log:q} 2>&1"


rule collect_representations:
    input:
        **command_files("workflow/scripts/collect_representations.py"),
        planned="logs/plan/grid.jsonl",
        records=grid_records,
    output:
        cka="results/tables/cka.csv",
        pca="results/tables/pca.csv",
    log:
        "logs/collect_representations.log",
    localrule: True
    conda:
        "../../envs/figures.yaml"
    params:
        baseline=config["baseline"],
        keep=KEEP,
    shell:
        '"$PYTHON" {input.script:q} --planned {input.planned:q} {params.keep}'
        " --baseline {params.baseline:q} --output-dir $(dirname {output.cka:q}) > {log:q} 2>&1"


rule summarise:
    input:
        **command_files("workflow/scripts/summarise.py"),
        runs="results/tables/runs.csv",
    output:
        csv="results/tables/summary.csv",
        markdown=report(
            "results/tables/summary.md", caption="../report/summary.rst", category="Tables"
        ),
        latex="results/tables/summary.tex",
    log:
        "logs/summarise.log",
    localrule: True
    conda:
        "../../envs/figures.yaml"
    params:
        baseline=config["baseline"],
    shell:
        '"$PYTHON" {input.script:q} {input.runs:q} --baseline {params.baseline:q}'
        " --output-dir $(dirname {output.csv:q}) > {log:q} 2>&1"
