rule simulate:
    input:
        unless_current=outdated(COSTS, sweep_of("simulate")),
    output:
        ensure("results/cost/{scope}/simulate/{name}.json", non_empty=True),
    log:
        "logs/cost/{scope}/simulate/{name}.log",
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime="2h",
    params:
        settings=asked(COSTS.settings, sweep_of("simulate")),
        # what is measured, with all defaults, and the code that decides the numbers
        cells=asked(COSTS.cells, sweep_of("simulate")),
        sources=asked(COSTS.sources, sweep_of("simulate")),
    shell:
        '"$PYTHON" -m svp_core.cost.simulate {params.settings:q}'
        " --output {output:q} > {log:q} 2>&1"


rule measure:
    input:
        unless_current=outdated(COSTS, sweep_of("measure")),
    output:
        ensure("results/cost/{scope}/measure/{name}.json", non_empty=True),
    log:
        "logs/cost/{scope}/measure/{name}.log",
    conda:
        "../../envs/torch.yaml"
    # as many as there are: no other job may disturb the times
    threads: 1024
    resources:
        gpu=GPU,
        mem_mb=16000,
        runtime="2h",
    params:
        settings=asked(COSTS.settings, sweep_of("measure")),
        cells=asked(COSTS.cells, sweep_of("measure")),
        sources=asked(COSTS.sources, sweep_of("measure")),
        steps=lambda wildcards: config["cost"][wildcards.scope]["steps"],
    shell:
        '"$PYTHON" -m svp_core.cost.measure {params.settings:q} --steps {params.steps}'
        " --threads 1 --output {output:q} > {log:q} 2>&1"


# the same as a script, for a machine without Snakemake: snakemake list_measurements --cores 1
rule list_measurements:
    log:
        "logs/plan/list_measurements.log",
    localrule: True
    params:
        scope="quick",
        path="results/measure.sh",
    run:
        count = costs.write_commands(COSTS, params.scope, params.path)
        print(f"{params.path}: {count} sweeps without a record")


# those of the full study: snakemake list_full_measurements --cores 1
use rule list_measurements as list_full_measurements with:
    log:
        "logs/plan/list_full_measurements.log",
    params:
        scope="full",
        path="results/measure_full.sh",


rule collect_cost:
    input:
        **command_files("workflow/scripts/collect_cost.py"),
        planned="logs/plan/cost_quick.jsonl",
        records=COSTS.records("quick"),
        runs="results/tables/runs.csv",
        curves="results/tables/curves.csv",
    output:
        "results/tables/cost.csv",
    log:
        "logs/collect_cost.log",
    localrule: True
    conda:
        "../../envs/figures.yaml"
    params:
        targets=TARGETS,
        keep=KEEP,
    shell:
        '"$PYTHON" {input.script:q} --planned {input.planned:q} {params.keep} --runs {input.runs:q}'
        " --curves {input.curves:q} {params.targets} --output-dir $(dirname {output:q})"
        " > {log:q} 2>&1"


rule summarise_cost:
    input:
        **command_files("workflow/scripts/summarise_cost.py"),
        cost="results/tables/cost.csv",
    output:
        slopes="results/tables/slopes.csv",
        markdown=report("results/tables/cost.md", caption="../report/cost.rst", category="Tables"),
        latex="results/tables/cost.tex",
    log:
        "logs/summarise_cost.log",
    localrule: True
    conda:
        "../../envs/figures.yaml"
    shell:
        '"$PYTHON" {input.script:q} {input.cost:q}'
        " --output-dir $(dirname {output.slopes:q}) > {log:q} 2>&1"


# The full study, apart from what `all` makes: snakemake cost --cores all
use rule collect_cost as collect_full_cost with:
    input:
        **command_files("workflow/scripts/collect_cost.py"),
        planned="logs/plan/cost_full.jsonl",
        records=COSTS.records("full"),
        runs="results/tables/runs.csv",
        curves="results/tables/curves.csv",
    output:
        "results/cost/tables/cost.csv",
    log:
        "logs/collect_full_cost.log",


use rule summarise_cost as summarise_full_cost with:
    input:
        **command_files("workflow/scripts/summarise_cost.py"),
        cost="results/cost/tables/cost.csv",
    output:
        slopes="results/cost/tables/slopes.csv",
        markdown="results/cost/tables/cost.md",
        latex="results/cost/tables/cost.tex",
    log:
        "logs/summarise_full_cost.log",


rule cost:
    input:
        rules.summarise_full_cost.output,
        lambda wildcards: figure_files("results/cost", FULL_FIGURES),
    localrule: True
