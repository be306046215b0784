use rule ablation as ssvi_removal with:
    input:
        **study(
            "ssvi_removal",
            method="ssvi",
            seed=range(3),
            removal=[
                "SNR_mean_abs",
                "mean",
                "snr",
                "E_mean_abs",
                "E_exp_mean_abs",
                "SNR_exp_mean_abs",
            ],
        ),
    output:
        **study_files("ssvi_removal"),
    log:
        "logs/ablations/ssvi_removal.log",
    params:
        question="By which score are active weights removed best?",
