use rule ablation as ssvi_interval with:
    input:
        **study("ssvi_interval", method="ssvi", seed=range(3), interval=[10, 20, 50, 100, 200]),
    output:
        **study_files("ssvi_interval"),
    log:
        "logs/ablations/ssvi_interval.log",
    params:
        question="How often should active weights be exchanged?",
