use rule ablation as beta with:
    input:
        **study("beta", method="svp", beta=[0.0, 0.1, 1.0, 10.0, 100.0]),
    output:
        **study_files("beta"),
    log:
        "logs/ablations/beta.log",
    params:
        question="How much weight does the alignment want?",
