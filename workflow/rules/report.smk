# The config as it is now, whatever files and options it came from.
rule config:
    output:
        "results/config.json",
    log:
        "logs/config.log",
    localrule: True
    params:
        config=json.dumps(config, indent=1),
    run:
        # no shell: a command that fails prints itself
        pathlib.Path(output[0]).write_text(f"{params.config}\n")


# What was run, claimed, drawn and measured, in one file that opens offline.
rule report:
    input:
        **command_files("workflow/scripts/make_report.py"),
        page=suite_files("workflow/reporting/page.*"),
        planned="logs/plan/needed.jsonl",
        config="results/config.json",
        tables=collect(
            "results/tables/{table}",
            table=["runs.csv", "runs.parquet", "summary.csv", "summary.md", "cost.csv", "cost.md"]
            + ["claims.csv", "claims.md"],
        ),
        figures=collect("results/figures/{figure}.png", figure=FIGURES),
        studies=lambda wildcards: [study_files(name)["png"] for name in claimed_upon()],
        papers=collect("results/figures/{figure}.pdf", figure=FIGURES),
    output:
        "results/report.html",
    log:
        "logs/report.log",
    localrule: True
    conda:
        "../../envs/figures.yaml"
    params:
        command=shlex.join(
            ["snakemake", "--cores", "all"]
            + [
                word
                for path in workflow.overwrite_configfiles or []
                for word in ("--configfile", os.path.relpath(path, workflow.basedir))
            ]
        ),
    shell:
        '"$PYTHON" {input.script:q} --planned {input.planned:q} --config {input.config:q}'
        " --tables results/tables --figures {input.figures:q} {input.studies:q}"
        " --command {params.command:q} --output {output:q} > {log:q} 2>&1"


# Snakemake's own report of the same files: snakemake snakemake_report --cores 1
rule snakemake_report:
    input:
        rules.report.input.tables,
        rules.report.input.figures,
        config="results/config.json",
    output:
        "results/snakemake_report.html",
    log:
        "logs/snakemake_report.log",
    localrule: True
    conda:
        "../../envs/figures.yaml"
    params:
        snakefile=workflow.main_snakefile,
    shell:
        # Snakemake makes reports only outside of a run: ask another one, for the finished files
        '"$PYTHON" -m snakemake --nolock --snakefile {params.snakefile:q}'
        " --configfile {input.config:q} --report {output:q} -- {input:q} > {log:q} 2>&1"
