use rule ablation as activations with:
    input:
        **study(
            "activations",
            method="bp",
            activations=["wta_crs", "crs", "top_k"],
            keep=[0.1, 0.3, 1.0],
        ),
    output:
        **study_files("activations"),
    log:
        "logs/ablations/activations.log",
    params:
        question="What does backpropagation lose that keeps a sample of the activations? wta_crs "
        "of keep 1 is backpropagation itself.",
