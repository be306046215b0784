rule fetch:
    output:
        # what was fetched before is compared with what is there now, not deleted
        update(planning.MANIFEST),
    log:
        "logs/data/{dataset}.log",
    retries: 3
    localrule: True
    conda:
        "../../envs/torch.yaml"
    params:
        # of the code that says which files a dataset has
        sources=lambda wildcards: provenance.source_hash(
            provenance.sources(provenance.dataset_module(wildcards.dataset))
        ),
    shell:
        '"$PYTHON" -m svp_core.fetch {wildcards.dataset} --data-dir "$SVP_DATA_DIR"'
        " --manifest {output:q} > {log:q} 2>&1"


rule data:
    input:
        lambda wildcards: planned(planning.manifests, PLAN.datasets()),
    localrule: True
