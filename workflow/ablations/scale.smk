use rule ablation as scale with:
    input:
        **study("scale", method="svp", scale=[0.25, 1.0, 4.0, 16.0, 64.0]),
    output:
        **study_files("scale"),
    log:
        "logs/ablations/scale.log",
    params:
        question="Which scale of the projections, the temperature of the softmax, is best?",
