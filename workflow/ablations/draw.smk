use rule ablation as draw with:
    input:
        **study("draw", method="svp", draw=range(10), seed=[0]),
    output:
        **study_files("draw"),
    log:
        "logs/ablations/draw.log",
    params:
        question="How much depends on the draw of the random matrices, from equal initial weights?",
