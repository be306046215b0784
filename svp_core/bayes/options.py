"""Options of methods with Gaussian weights, which are read without torch."""

from svp_core.config.options import OptionSet, choice, integer, number, option
from svp_core.config.run import MethodOptions

CRITERIA = ("SNR_mean_abs", "mean", "snr", "E_mean_abs", "E_exp_mean_abs", "SNR_exp_mean_abs")


class PosteriorOptions(OptionSet):
    """Prior, bound, initial means, prediction; all weights are active."""

    models = ("cnn", "mlp", "resnet")
    density = 1.0  # no option: which part of the weights is active
    prior_scale: float = number(0.005, "standard deviation of the prior N(0, s^2)", above=0)
    kl_weight: float = number(
        0.01, "temperature: the KL to the prior, over the training images, times this", at_least=0
    )
    kl_warmup: float = option(
        0.5,
        "part of the training in which the weight of the KL grows from 0",
        type="number",
        minimum=0,
        maximum=1,
    )
    means: str = choice(
        "drawn",
        "model",
        meaning="initial means, from N(0, 0.01^2), or the weights that bp starts with, divided by"
        " the root of the density, so that sums keep their variance",
    )
    prediction: str = choice(
        "sampled",
        "mean_weights",
        meaning="the network's: of sampled networks, their probabilities averaged, or of one with"
        " the mean weights; both are recorded",
    )
    samples: int = integer(5, "networks that a prediction averages", at_least=1)

    @property
    def not_recorded(self) -> str:
        return "the weight of the KL grows with every one"


class SubspaceOptions(PosteriorOptions):
    """And which weights are active: they are exchanged by scores, their number is fixed."""

    density: float = option(
        0.1,
        "active part of the weights of every layer, but of a convolution that sees the image",
        type="number",
        exclusiveMinimum=0,
        maximum=1,
    )
    interval: int = integer(
        100, "steps from one exchange of active weights to the next", at_least=2
    )
    until: float = option(
        0.75, "part of the training with exchanges", type="number", minimum=0, maximum=1
    )
    exchanged: float = option(
        0.3,
        "part of the active weights in the first exchange, from which a cosine falls to 0",
        type="number",
        minimum=0,
        maximum=1,
    )
    removal: str = choice(
        *CRITERIA, meaning="score whose smallest are removed (svp_core/bayes/criteria.py)"
    )
    addition: str = choice(
        "sampled",
        "mean",
        meaning="where the loss has the gradient by whose size weights are added, at activations as"
        " sampled in training, or at the mean weights",
    )
    added_deviation: str = choice(
        "mean", "eps", meaning="sigma of added weights, by the mean rho of those kept, or 1e-6"
    )

    def refuse(self, run):
        yield from super().refuse(run)
        if self.density < 1 and run.recipe.optimizer == "muon":
            yield "density: steps of muon are not sparse; take adamw or sgd"


class NetworkOptions(PosteriorOptions, MethodOptions):
    """Those of a network that one loss trains, in the way of bp."""

    # no options: which activations are kept, and when updates are made
    activation_checkpointing, activations = "none", "all"
    update = "after"
