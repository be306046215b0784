def study(name, method, tasks=None, seed=None, **options):
    """Plan the runs of an ablation; return the inputs of its rule.

    Lists among the options are varied, single values fixed; a mapping of methods gives each options
    of its own, and so does one of tasks. Tasks and seeds are those of the config unless given.
    """
    chosen = config["ablations"] | {
        key: value for key, value in {"tasks": tasks, "seed": seed}.items() if value is not None
    }
    one = studies.Study(name, method, chosen["tasks"], tuple(chosen["seed"]), options)
    planned(PLAN.add_study, one)
    workflow.localrules(name)  # `use rule` does not pass it on
    records = {"records": lambda wildcards: study_records(name)}
    return records | {"planned": f"logs/plan/study_{name}.jsonl"} | study_scripts()


def study_scripts(collector="workflow/scripts/collect_ablation.py", figure="figures/ablation.py"):
    """The inputs of an ablation that make its table and its figure; others replace these."""
    return {
        "collect": suite_files(collector),
        "draw": suite_files(figure),
        "library": suite_files(*libraries.libraries(collector), *libraries.libraries(figure)),
    }


def study_records(name):
    """The records of an ablation; says which of its settings are impossible."""
    runs, left_out = planned(PLAN.study_runs, name)
    if workflow.is_main_process:
        for reason in left_out:
            print(f"{name} leaves out {reason}", file=sys.stderr)
    return [planning.record_path(run) for run in wanted(runs)]


def study_files(name):
    """The outputs of the rule of an ablation."""
    path = f"results/ablations/{name}"
    caption = os.path.join(workflow.basedir, "workflow/report/ablation.rst")
    labels = {"question": name.replace("_", " ")}
    shown = report(f"{path}.png", caption=caption, category="Ablations", labels=labels)
    files = {"table": "csv", "markdown": "md", "latex": "tex", "pdf": "pdf"}
    return {kind: f"{path}.{ending}" for kind, ending in files.items()} | {"png": shown}
