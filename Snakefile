from pathlib import Path

from snakemake.utils import min_version

min_version("9.0")


configfile: f"{workflow.basedir}/config/config.yaml"
configfile: f"{workflow.basedir}/config/cost.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/studies.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/plan.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/collect.smk"
include: "workflow/rules/cost.smk"
include: "workflow/rules/claims.smk"
include: "workflow/rules/compare.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/locality.smk"
include: "workflow/rules/neighbours.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/ablations.smk"


for path in suite_files("workflow/ablations/*.smk"):

    include: os.path.abspath(path)


onstart:
    if can_fork():
        JOBS["PYTHON"] = warm.start()
        export()


onsuccess:
    planning.forget_copies()


onerror:
    print(failures.summary(Path(log[0])), file=sys.stderr)
    print("Of what is there: snakemake --cores 1 --config partial=true", file=sys.stderr)


rule all:
    input:
        rules.report.input.tables,
        rules.report.input.figures,
        rules.report.input.papers,
        rules.report.output,
    localrule: True


if workflow.is_main_process:
    require_captions()
