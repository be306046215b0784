use rule ablation as ssvi_prior with:
    input:
        **study("ssvi_prior", method="ssvi", seed=range(3), prior_scale=[0.005, 0.02, 0.1, 0.5]),
    output:
        **study_files("ssvi_prior"),
    log:
        "logs/ablations/ssvi_prior.log",
    params:
        question="How wide a prior do sparse weights want?",
