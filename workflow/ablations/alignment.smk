use rule ablation as alignment with:
    input:
        **study(
            "alignment",
            method="svp",
            alignment=["none", "gaussian_kl", "kl", "bhattacharyya", "feature_kl"],
        ),
    output:
        **study_files("alignment"),
    log:
        "logs/ablations/alignment.log",
    params:
        question="Which divergence between the readings of neighbouring units helps, if any?",
