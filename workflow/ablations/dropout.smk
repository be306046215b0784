use rule ablation as dropout with:
    input:
        **study("dropout", method="svp", dropout=[0.0, 0.1, 0.2, 0.5]),
    output:
        **study_files("dropout"),
    log:
        "logs/ablations/dropout.log",
    params:
        question="Does dropping features from the readings help?",
