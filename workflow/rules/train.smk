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
    threads: run_cpus
    resources:
        gpu=GPU,
        cpus_per_task=run_cpus,
        mem_mb=run_memory,
        runtime=run_minutes,
    params:
        settings=run_settings,
        # no output: Snakemake deletes those of a job that is killed
        checkpoint=f"checkpoints/{RUN}.pt",
    shell:
        # exec: a signal to the whole job would end a shell at once, and Snakemake with it, before
        # the training has written its checkpoint
        # not {threads}, which on a cluster are limited to the cores of the login node
        "exec python -m svp_core.train {params.settings:q} --threads {resources.cpus_per_task}"
        ' --data-dir "$SVP_DATA_DIR"'
        " --checkpoint {params.checkpoint:q} --output {output:q} > {log:q} 2>&1"
