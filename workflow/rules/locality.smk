# What every method's updates depend on, by perturbation: snakemake locality --cores 1
rule audit:
    output:
        "results/tables/locality.csv",
    log:
        "logs/audit.log",
    localrule: True
    conda:
        "../../envs/torch.yaml"
    params:
        # a new method is found by its name
        sources=lambda wildcards: planning.audit_sources(),
        # what leaves a unit on purpose, beside the defaults of all methods
        series=[
            "svp:overlap=1",
            "svp:blocks=2",
            "local_lda:auxiliary=ema",
            "deep_supervision:detach=true",
        ],
    shell:
        '"$PYTHON" -m svp_core.locality --all {params.series:q} --output {output:q} > {log:q} 2>&1'


rule locality:
    input:
        **command_files("figures/locality.py"),
        table="results/tables/locality.csv",
    output:
        png="results/figures/locality.png",
        pdf="results/figures/locality.pdf",
    log:
        "logs/figures/locality.log",
    localrule: True
    conda:
        "../../envs/figures.yaml"
    shell:
        '"$PYTHON" {input.script:q} {input.table:q}'
        " --png {output.png:q} --pdf {output.pdf:q} > {log:q} 2>&1"


# Methods beside each other, with config/peers.yaml: snakemake peers
rule peers:
    input:
        "results/tables/summary.md",
        expand(
            "results/figures/{figure}.png",
            figure=["accuracy", "accuracy_flops", "accuracy_memory", "ranks"],
        ),
        "results/figures/locality.png",
    localrule: True
