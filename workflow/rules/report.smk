rule report:
    input:
        collect(
            "results/tables/{table}",
            table=["runs.csv", "runs.parquet", "summary.csv", "summary.md", "cost.csv", "cost.md"]
            + ["claims.csv", "claims.md"],
        ),
        figure_files("results", FIGURES),
    output:
        html="results/report.html",
        config="results/config.json",
    log:
        "logs/report.log",
    localrule: True
    conda:
        "../../envs/figures.yaml"
    params:
        snakefile=workflow.main_snakefile,
        # the config as it is now, whatever files and options it came from
        config=json.dumps(config, indent=1),
    shell:
        # Snakemake makes reports only outside of a run: ask another one, for the finished files
        "printf '%s\n' {params.config:q} > {output.config:q} && \"$PYTHON\" -m snakemake --nolock"
        " --snakefile {params.snakefile:q} --configfile {output.config:q}"
        " --report {output.html:q} -- {input:q} > {log:q} 2>&1"
