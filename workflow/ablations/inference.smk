use rule ablation as inference with:
    input:
        **study("inference", method="svp", inference=["last", "mean"]),
    output:
        **study_files("inference"),
    log:
        "logs/ablations/inference.log",
    params:
        question="Does the mean over all units predict better than the last unit?",
