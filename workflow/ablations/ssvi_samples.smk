use rule ablation as ssvi_samples with:
    input:
        **study("ssvi_samples", method="ssvi", seed=range(3), samples=[1, 2, 5, 20]),
    output:
        **study_files("ssvi_samples"),
    log:
        "logs/ablations/ssvi_samples.log",
    params:
        question="How many sampled networks does a prediction need?",
