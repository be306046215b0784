use rule ablation as blocks with:
    input:
        **study("blocks", method="svp", blocks=[1, 2, 3, 4]),
    output:
        **study_files("blocks"),
    log:
        "logs/ablations/blocks.log",
    params:
        question="What are larger local units worth? All blocks in one are BP with a random head.",
