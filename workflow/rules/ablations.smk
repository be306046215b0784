# A question of workflow/ablations is `use rule ablation as NAME`, of runs that it names by study().
rule ablation:
    input:
        lambda wildcards: planned(studies.refuse_base),
    log:
        "logs/ablations/ablation.log",
    localrule: True
    conda:
        "../../envs/figures.yaml"
    params:
        question="",
        options="",  # of the script that collects
        keep=KEEP,
        width=config["figure_width"],
    shell:
        '"$PYTHON" {input.collect:q} --planned {input.planned:q} {params.keep} --output {output.table:q}'
        " {params.options} > {log:q} 2>&1"
        ' && "$PYTHON" {input.draw:q} {output.table:q}'
        " --png {output.png:q} --pdf {output.pdf:q} --width {params.width} >> {log:q} 2>&1"


use rule snakemake_report as ablations with:
    input:
        lambda wildcards: [path for name in PLAN.studies for path in study_files(name).values()],
        config="results/config.json",
    output:
        "results/ablations/report.html",
    log:
        "logs/ablations/report.log",
