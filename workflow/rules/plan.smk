# What is not trained yet, and what it will take: snakemake plan --cores 1
rule plan:
    log:
        "logs/plan.log",
    localrule: True
    conda:
        "../../envs/torch.yaml"
    params:
        unfinished=write_unfinished,
        tflops=config["assumed_tflops"],
    shell:
        "python -m svp_core.cost.plan {params.unfinished:q} --tflops {params.tflops} 2> {log:q}"
