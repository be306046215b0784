use rule ablation as noise with:
    input:
        **study("noise", method="svp", noise=[0.0, 0.1, 0.3, 1.0]),
    output:
        **study_files("noise"),
    log:
        "logs/ablations/noise.log",
    params:
        question="Does sampling the readings in training help?",
