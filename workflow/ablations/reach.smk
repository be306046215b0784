use rule ablation as reach with:
    input:
        **study(
            "reach",
            method={
                config["baseline"]: {},
                "svp": {"blocks": [1, 2, 3, 4]},
                "local_lda": {"blocks": [1, 2], "overlap": [0, 1, 3]},
            },
        )
        | study_scripts("workflow/scripts/collect_reach.py", "figures/reach.py"),
    output:
        **study_files("reach"),
    log:
        "logs/ablations/reach.log",
    params:
        question="How many consecutive blocks does one loss have to train to be as accurate as the "
        "baseline, and at what memory?",
        options=f"--baseline {config['baseline']}",
