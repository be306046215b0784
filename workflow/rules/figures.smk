# A figure is a script and a line here: its category in the report, and the tables that it reads.
FIGURES = {
    "accuracy": ("Accuracy", ["runs", "summary"]),
    "learning_curves": ("Accuracy", ["curves"]),
    "unit_accuracy": ("Accuracy", ["metrics"]),
    "accuracy_flops": ("Accuracy", ["runs"]),
    "accuracy_memory": ("Accuracy", ["runs"]),
    "ranks": ("Accuracy", ["runs"]),
    "probe": ("Layers", ["metrics"]),
    "gradient_alignment": ("Layers", ["metrics"]),
    "posterior_agreement": ("Layers", ["metrics"]),
    "cka": ("Layers", ["cka"]),
    "pca": ("Layers", ["pca"]),
    "memory": ("Cost", ["cost"]),
    "pareto": ("Cost", ["cost"]),
    "projection": ("Cost", ["cost"]),
    "scaling": ("Cost", ["cost"]),
}
# of these, also drawn of the full cost study: snakemake cost
FULL_FIGURES = {name: figure for name, figure in FIGURES.items() if figure[1] == ["cost"]}

for scope, figures in {"": FIGURES, "cost/": FULL_FIGURES}.items():
    for figure, (category, tables) in figures.items():

        rule:
            name:
                f"draw_{scope.replace('cost/', 'full_')}{figure}"
            input:
                **command_files(f"figures/{figure}.py"),
                tables=[f"results/{scope}tables/{table}.csv" for table in tables],
            output:
                png=report(
                    f"results/{scope}figures/{figure}.png",
                    caption="../report/figure.rst",
                    category=category,
                    labels={"figure": figure.replace("_", " ")},
                ),
                pdf=f"results/{scope}figures/{figure}.pdf",
            log:
                f"logs/{scope}figures/{figure}.log",
            localrule: True
            conda:
                "../../envs/figures.yaml"
            params:
                caption=planned(libraries.docstring, f"figures/{figure}.py"),
                width=config["figure_width"],
            shell:
                '"$PYTHON" {input.script:q} {input.tables:q}'
                " --png {output.png:q} --pdf {output.pdf:q} --width {params.width}"
                " > {log:q} 2>&1"
