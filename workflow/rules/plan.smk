# What is not trained yet, and what it will take: snakemake plan --cores 1
rule plan:
    log:
        "logs/plan.log",
    localrule: True
    conda:
        "../../envs/torch.yaml"
    params:
        runs=unfinished_runs,
        records=finished_records,
        tflops=config["assumed_tflops"],
    shell:
        "printf '%s' {params.runs:q} | python -m svp_core.cost.plan --tflops {params.tflops}"
        " --records {params.records:q} 2> {log:q}"
