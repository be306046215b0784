# What is claimed of SVP, judged by the tables of the grid and of the ablations that config.claims names.
rule judge_claims:
    input:
        **command_files("workflow/scripts/judge_claims.py"),
        tables=collect(
            "results/tables/{table}.csv", table=["runs", "curves", "metrics", "cost", "slopes"]
        ),
        studies=lambda wildcards: [study_files(name)["table"] for name in claimed_upon()],
    output:
        csv="results/tables/claims.csv",
        markdown=report(
            "results/tables/claims.md", caption="../report/claims.rst", category="Claims"
        ),
        latex="results/tables/claims.tex",
    log:
        "logs/judge_claims.log",
    localrule: True
    conda:
        "../../envs/figures.yaml"
    params:
        targets=TARGETS,
    shell:
        '"$PYTHON" {input.script:q} {input.tables:q} {input.studies:q} {params.targets}'
        " --output-dir $(dirname {output.csv:q}) > {log:q} 2>&1"
