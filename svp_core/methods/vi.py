"""Mean-field variational inference: every weight is a Gaussian, and a network is drawn from them.

Minimises CE(y) + c KL(q || prior) / N over N(mu, sigma^2) of all weights of dense layers and
convolutions, by local reparameterisation (svp_core/bayes/layers.py); c is a temperature that grows
from 0. It is ssvi (arXiv 2402.11025) at density 1, the dense twin that compression is measured by.
"""

from torch import Tensor

from svp_core.bayes.layers import layers_of, make_stochastic
from svp_core.bayes.options import NetworkOptions
from svp_core.bayes.posterior import Posterior
from svp_core.methods.bp import BP
from svp_core.models import Model
from svp_core.task import Task


class Options(NetworkOptions):
    """Prior, bound, initial means, prediction."""


class VI(Posterior, BP):
    """The network and the schedules of bp; its head is stochastic, too."""

    def __init__(self, model: Model, task: Task, options: Options, recipe, seed: int):
        super().__init__(model, task, options, recipe, seed)
        make_stochastic(self, options, seed)
        self.optimizers = [self.optimizer(self.parameters())]
        self.begin(options, task, seed)

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        return super().loss(logits, targets) + self.bound(layers_of(self))


build = VI
