# What is not trained yet, and what it will take: snakemake plan --cores 1
rule plan:
    input:
        "logs/plan/needed.json",
    log:
        "logs/plan/plan.log",
    localrule: True
    conda:
        "../../envs/torch.yaml"
    params:
        tflops=config["assumed_tflops"],
    shell:
        '"$PYTHON" -m svp_core.cost.plan {input:q} --tflops {params.tflops} 2> {log:q}'


# the same of the ablations: snakemake plan_ablations --cores 1
use rule plan as plan_ablations with:
    input:
        "logs/plan/ablations.json",
    log:
        "logs/plan/plan_ablations.log",


# thousands of runs are too long for a command line
rule unfinished:
    output:
        temp("logs/plan/{part}.json"),
    log:
        "logs/plan/unfinished_{part}.log",
    wildcard_constraints:
        part="needed|ablations",
    localrule: True
    run:
        for line in planning.write_unfinished(
            PLAN, planned(PLAN.part, wildcards.part), output[0]
        ):
            print(f"trained again: {line}")


# what tables compare their records with
rule planned:
    output:
        temp("logs/plan/{part}.jsonl"),
    log:
        "logs/plan/planned_{part}.log",
    wildcard_constraints:
        part="grid|needed|(study|cost)_[a-z0-9_]+",
    localrule: True
    run:
        planning.planned.write(output[0], planned_lines(wildcards.part))


# the same runs as a list for svp_core.batch: snakemake list_runs --cores 1
rule list_runs:
    input:
        # first, or the records would be older than their data and made again
        lambda wildcards: planned(PLAN.manifests, "needed"),
    log:
        "logs/plan/list_runs.log",
    localrule: True
    params:
        part="needed",
        path="results/runs.jsonl",
    run:
        count = planning.write_jobs(PLAN, planned(PLAN.part, params.part), params.path)
        print(f"{params.path}: {count} runs to train")


# snakemake list_ablation_runs --cores 1
use rule list_runs as list_ablation_runs with:
    input:
        lambda wildcards: planned(PLAN.manifests, "ablations"),
    log:
        "logs/plan/list_ablation_runs.log",
    params:
        part="ablations",
        path="results/ablation_runs.jsonl",
