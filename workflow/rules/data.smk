rule fetch:
    input:
        core=fetch_core,
    output:
        MANIFEST,
    log:
        "logs/data/{dataset}.log",
    retries: 3
    localrule: True
    conda:
        "../../envs/torch.yaml"
    shell:
        'python -m svp_core.fetch {wildcards.dataset} --data-dir "$SVP_DATA_DIR"'
        " --manifest {output:q} > {log:q} 2>&1"


rule data:
    input:
        manifests({run["dataset"] for run in RUNS.values()}),
    localrule: True
