use rule ablation as d0 with:
    input:
        **study("d0", method="svp", d0=[10, 30, 100, 300], readout=["codebook", "shared"]),
    output:
        **study_files("d0"),
    log:
        "logs/ablations/d0.log",
    params:
        question="How many rows do the projections want, read by fixed class codes or by one "
        "trained readout?",
