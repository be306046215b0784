use rule ablation as ssvi_density with:
    input:
        **study(
            "ssvi_density",
            method="ssvi",
            seed=range(3),
            density=[0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0],
        ),
    output:
        **study_files("ssvi_density"),
    log:
        "logs/ablations/ssvi_density.log",
    params:
        question="How few active weights does a network need?",
