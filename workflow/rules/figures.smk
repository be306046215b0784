# A figure is a script, a caption and a rule of one name; its tables are the script's arguments.
STYLE = GLOSSARY + suite_files(
    "figures/style.py", "figures/scales.py", "workflow/scripts/sweeps.py"
)


rule accuracy:
    input:
        script=suite_files("figures/accuracy.py"),
        style=STYLE,
        tables=[
            "results/tables/runs.csv",
            "results/tables/summary.csv",
        ],
    output:
        png=report(
            "results/figures/accuracy.png",
            caption="../report/accuracy.rst",
            category="Accuracy",
            labels={"figure": "by model and method"},
        ),
        pdf="results/figures/accuracy.pdf",
    log:
        "logs/figures/accuracy.log",
    localrule: True
    conda:
        "../../envs/figures.yaml"
    shell:
        "python {input.script:q} {input.tables:q} --png {output.png:q} --pdf {output.pdf:q}"
        " > {log:q} 2>&1"


use rule accuracy as learning_curves with:
    input:
        script=suite_files("figures/learning_curves.py"),
        style=STYLE,
        tables=["results/tables/curves.csv"],
    output:
        png=report(
            "results/figures/learning_curves.png",
            caption="../report/learning_curves.rst",
            category="Accuracy",
            labels={"figure": "while training"},
        ),
        pdf="results/figures/learning_curves.pdf",
    log:
        "logs/figures/learning_curves.log",


use rule accuracy as block_accuracy with:
    input:
        script=suite_files("figures/block_accuracy.py"),
        style=STYLE,
        tables=["results/tables/blocks.csv"],
    output:
        png=report(
            "results/figures/block_accuracy.png",
            caption="../report/block_accuracy.rst",
            category="Accuracy",
            labels={"figure": "of every block"},
        ),
        pdf="results/figures/block_accuracy.pdf",
    log:
        "logs/figures/block_accuracy.log",


use rule accuracy as accuracy_flops with:
    input:
        script=suite_files("figures/accuracy_flops.py"),
        style=STYLE,
        tables=["results/tables/runs.csv"],
    output:
        png=report(
            "results/figures/accuracy_flops.png",
            caption="../report/accuracy_flops.rst",
            category="Accuracy",
            labels={"figure": "against FLOPs"},
        ),
        pdf="results/figures/accuracy_flops.pdf",
    log:
        "logs/figures/accuracy_flops.log",


use rule accuracy as memory with:
    input:
        script=suite_files("figures/memory.py"),
        style=STYLE,
        tables=["results/tables/cost.csv"],
    output:
        png=report(
            "results/figures/memory.png",
            caption="../report/memory.rst",
            category="Cost",
            labels={"figure": "memory against depth"},
        ),
        pdf="results/figures/memory.pdf",
    log:
        "logs/figures/memory.log",


use rule accuracy as pareto with:
    input:
        script=suite_files("figures/pareto.py"),
        style=STYLE,
        tables=["results/tables/cost.csv"],
    output:
        png=report(
            "results/figures/pareto.png",
            caption="../report/pareto.rst",
            category="Cost",
            labels={"figure": "time against memory"},
        ),
        pdf="results/figures/pareto.pdf",
    log:
        "logs/figures/pareto.log",


use rule accuracy as projection with:
    input:
        script=suite_files("figures/projection.py"),
        style=STYLE,
        tables=["results/tables/cost.csv"],
    output:
        png=report(
            "results/figures/projection.png",
            caption="../report/projection.rst",
            category="Cost",
            labels={"figure": "against d0"},
        ),
        pdf="results/figures/projection.pdf",
    log:
        "logs/figures/projection.log",


use rule accuracy as scaling with:
    input:
        script=suite_files("figures/scaling.py"),
        style=STYLE,
        tables=["results/tables/cost.csv"],
    output:
        png=report(
            "results/figures/scaling.png",
            caption="../report/scaling.rst",
            category="Cost",
            labels={"figure": "against width, batch and image size"},
        ),
        pdf="results/figures/scaling.pdf",
    log:
        "logs/figures/scaling.log",
