# Is this run the published one? snakemake compare --cores 1 --config reference=results/reference/digits
# Fails if a cell differs, so its tables are no outputs, which would be deleted then.
rule compare:
    input:
        **command_files("workflow/scripts/compare.py"),
        runs="results/tables/runs.csv",
    log:
        "logs/compare.log",
    localrule: True
    conda:
        "../../envs/figures.yaml"
    params:
        reference=lambda wildcards: reference_folder(),
    shell:
        '"$PYTHON" {input.script:q} $(dirname {input.runs:q}) {params.reference:q}'
        " --output-dir results/compare 2>&1 | tee {log:q}"
