use rule ablation as collapse with:
    input:
        **study(
            "collapse",
            method="svp",
            alignment=["gaussian_kl", "feature_kl"],
            beta=[0.0, 1.0, 100.0],
            metrics=[["effective_rank", "participation_ratio"]],
            metrics_every=1,
        )
        | study_scripts("workflow/scripts/collect_collapse.py", "figures/collapse.py"),
    output:
        **study_files("collapse"),
    log:
        "logs/ablations/collapse.log",
    params:
        question="Does the KL on activations collapse them, and does the KL on their random "
        "projections not?",
