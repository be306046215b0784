rule sweep_memory:
    input:
        core=sweep_core,
    output:
        ensure("results/memory/{model}.json", non_empty=True),
    log:
        "logs/memory/{model}.log",
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime="1h",
    params:
        settings=sweep_settings,
    shell:
        "python -m svp_core.memory_sweep {params.settings:q}" " --output {output:q} > {log:q} 2>&1"
