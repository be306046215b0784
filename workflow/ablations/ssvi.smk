use rule ablation as ssvi with:
    input:
        **study(
            "ssvi",
            method={
                "bp": {},
                "vi": {},
                "ssvi": {"density": [0.1, 0.05]},
            },
            metrics=[["nll", "ece", "compression", "robustness"]],
            metrics_images=2000,
        )
        | study_scripts("workflow/scripts/collect_ssvi.py", "figures/ssvi.py"),
    output:
        **study_files("ssvi"),
    log:
        "logs/ablations/ssvi.log",
    params:
        question="How sparse may Gaussian weights be, how well calibrated are they, and what do they "
        "cost beside dense ones and backpropagation?",
