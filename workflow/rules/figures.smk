# A figure is a script, a caption and a rule of one name; its tables are the script's arguments.
STYLE = suite_files("figures/style.py") + GLOSSARY


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


use rule accuracy as memory with:
    input:
        script=suite_files("figures/memory.py"),
        style=STYLE,
        tables=["results/tables/memory.csv"],
    output:
        png=report(
            "results/figures/memory.png",
            caption="../report/memory.rst",
            category="Memory",
            labels={"figure": "against depth"},
        ),
        pdf="results/figures/memory.pdf",
    log:
        "logs/figures/memory.log",
