use rule ablation as ssvi_units with:
    input:
        **study(
            "ssvi_units",
            method={"svp": {}, "bayes_svp": {"density": [0.1, 1.0]}},
            metrics=[["nll", "ece", "compression", "robustness"]],
            metrics_images=2000,
        )
        | study_scripts("workflow/scripts/collect_ssvi.py", "figures/ssvi.py"),
    output:
        **study_files("ssvi_units"),
    log:
        "logs/ablations/ssvi_units.log",
    params:
        question="What do Gaussian weights, dense and sparse, do to the units of svp?",
