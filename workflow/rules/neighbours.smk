# Bias and variance of gradients of stochastic neurons: snakemake gradient_bias --cores 1
rule gradient_bias:
    input:
        **command_files("svp_core/neurons.py"),
    output:
        "results/tables/neurons.csv",
    log:
        "logs/gradient_bias.log",
    localrule: True
    conda:
        "../../envs/torch.yaml"
    shell:
        '"$PYTHON" -m svp_core.neurons --output {output:q} > {log:q} 2>&1'


# Dictionaries of what units tell, by default of the first task of ablations
rule find_features:
    input:
        **command_files("svp_core/sparse_features.py"),
    output:
        "results/tables/sparse_features.csv",
    log:
        "logs/sparse_features.log",
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="1h",
    params:
        settings=lambda wildcards: planning.shared_settings(config),
        data_dir=config["data_dir"],
    shell:
        '"$PYTHON" -m svp_core.sparse_features {params.settings:q} --data-dir {params.data_dir:q}'
        " --output {output:q} > {log:q} 2>&1"


rule sparse_features:
    input:
        **command_files("figures/sparse_features.py"),
        table="results/tables/sparse_features.csv",
    output:
        png="results/figures/sparse_features.png",
        pdf="results/figures/sparse_features.pdf",
    log:
        "logs/figures/sparse_features.log",
    localrule: True
    conda:
        "../../envs/figures.yaml"
    shell:
        '"$PYTHON" {input.script:q} {input.table:q}'
        " --png {output.png:q} --pdf {output.pdf:q} > {log:q} 2>&1"
