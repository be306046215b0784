"""SVP of Gaussian weights: the lower bound of a unit has the uncertainty of its weights as well.

Unit i minimises CE(q_i, y) + beta D(q_i, sg(q_{i-1})) + c KL(q(W_i) || prior) / N over N(mu,
sigma^2) of the weights of its blocks. Each is an ssvi (arXiv 2402.11025) of its own loss, by which
alone it exchanges weights; no gradient crosses units. This suite's, of no paper. Units and rules of
inference are recorded of the networks that predict: sampled ones, averaged, or the mean weights.
"""

from svp_core.bayes.layers import layers_of, make_stochastic
from svp_core.bayes.options import SubspaceOptions
from svp_core.bayes.posterior import Posterior
from svp_core.config.options import declared
from svp_core.methods import svp
from svp_core.methods.svp import SVP
from svp_core.models import Model
from svp_core.task import Task

OF_SVP = declared("methods", "svp")


class Options(SubspaceOptions, OF_SVP):
    """Those of svp and of ssvi; trained readouts and auxiliary networks stay as they are."""

    @property
    def unserved(self) -> list[str]:
        return ["weights that are Gaussian", *super().unserved]  # their KL is no closed form of v

    def refuse(self, run):
        if self.auxiliary == "ema":
            yield "auxiliary: ema averages weights of the next unit, which are distributions here"


class BayesSVP(Posterior, SVP):
    """The units and the schedules of svp."""

    def local_loss(self, reading, previous, labels, index: int = -1):
        own = layers_of(self.units[index].blocks)
        return super().local_loss(reading, previous, labels, index) + self.bound(own)


def build(model: Model, task: Task, options: Options, recipe, seed: int) -> BayesSVP:
    """Make the weights of the blocks stochastic, and group them into the units of svp."""
    make_stochastic(model.blocks, options, seed)
    method = svp.build(model, task, options, recipe, seed)
    method.__class__ = BayesSVP
    method.optimizers = [method.optimizer(one.param_groups) for one in method.optimizers]
    method.begin(options, task, seed)
    return method
