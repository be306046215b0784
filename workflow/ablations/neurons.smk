use rule ablation as neurons with:
    input:
        **study(
            "neurons",
            method="svp",
            neurons=["none", "bernoulli_st", "bernoulli_reinforce"],
        ),
    output:
        **study_files("neurons"),
    log:
        "logs/ablations/neurons.log",
    params:
        question="Do stochastic neurons train as well as deterministic ones, by a straight-through "
        "gradient or by REINFORCE?",
