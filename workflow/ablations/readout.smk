use rule ablation as readout with:
    input:
        **study("readout", method="svp", readout=["identity", "codebook", "private", "shared"]),
    output:
        **study_files("readout"),
    log:
        "logs/ablations/readout.log",
    params:
        question="Is a trained readout better than a fixed one, and one for all units better than "
        "one each?",
