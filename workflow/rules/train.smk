rule train:
    input:
        core=run_core,
        data=run_data,
    output:
        ensure(f"results/runs/{RUN}.json", non_empty=True),
    log:
        f"logs/runs/{RUN}.log",
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=run_memory,
        runtime="1h",
    params:
        settings=run_settings,
        # no output: Snakemake deletes those of a job that is killed
        checkpoint=f"checkpoints/{RUN}.pt",
    shell:
        "python -m svp_core.train {params.settings:q} --threads {threads}"
        ' --data-dir "$SVP_DATA_DIR"'
        " --checkpoint {params.checkpoint:q} --output {output:q} > {log:q} 2>&1"
