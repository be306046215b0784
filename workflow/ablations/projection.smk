use rule ablation as projection with:
    input:
        **study(
            "projection",
            method="svp",
            projection=["gaussian", "orthogonal", "rademacher", "sparse", "identity"],
            readout=["identity", "private"],
        ),
    output:
        **study_files("projection"),
    log:
        "logs/ablations/projection.log",
    params:
        question="Which law of the fixed random matrices is best, and are they needed at all? "
        "identity projects nothing.",
