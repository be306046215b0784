use rule ablation as shared with:
    input:
        **study("shared", method="svp", shared=[False, True]),
    output:
        **study_files("shared"),
    log:
        "logs/ablations/shared.log",
    params:
        question="Is one random matrix for all units as good as one each?",
