rule train:
    input:
        data=lambda wildcards: planning.manifests([wildcards.dataset]),
        unless_current=outdated(PLAN, planning.run_name),
    output:
        ensure(f"results/runs/{RUN}.json", non_empty=True),
    log:
        planning.LOG,
    conda:
        "../../envs/torch.yaml"
    threads: resources.cpus
    resources:
        gpu=GPU,
        cpus_per_task=resources.cpus,
        # processes that share the units of svp, each with as many of the CPUs, or a GPU of its own
        ranks=1,
        mem_mb=resources.memory,
        runtime=resources.minutes,
    params:
        # a run is trained again when one of these two changes, or its record is not of them
        settings=asked(PLAN.settings, planning.run_name),
        sources=asked(PLAN.sources, planning.run_name),
        # no output: Snakemake deletes those of a job that is killed
        checkpoint=planning.CHECKPOINT,
    shell:
        # exec: a signal to the whole job would end a shell at once, and Snakemake with it, before
        # the training has written its checkpoint
        # not {threads}, which on a cluster are limited to the cores of the login node
        'exec "$PYTHON" -m svp_core.train {params.settings:q} --threads {resources.cpus_per_task}'
        " --ranks {resources.ranks}"
        ' --data-dir "$SVP_DATA_DIR"'
        " --checkpoint {params.checkpoint:q} --output {output:q} > {log:q} 2>&1"
