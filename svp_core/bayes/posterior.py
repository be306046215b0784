"""What a method has in common whose weights are Gaussian: bound, exchange, sampled prediction."""

import torch
from torch import Tensor, optim
from torch.optim.optimizer import ParamsT

from svp_core.bayes.layers import Stochastic, layers_of, replaced
from svp_core.bayes.options import PosteriorOptions
from svp_core.bayes.subspace import Subspace
from svp_core.methods import Method, Predictions
from svp_core.recipe import build_optimizer
from svp_core.seeds import derive
from svp_core.task import Task


class Posterior(Method):
    """Stands before another method in a class; `begin` ends the making of one."""

    def begin(self, options: PosteriorOptions, task: Task, seed: int) -> None:
        """Take up the layers that are stochastic by now, and the plan of the training."""
        self.posterior, self.train_images, self.seed = options, task.train_images, seed
        batches = max(task.train_images // self.recipe.batch_size, 1)
        self.planned_steps, self.steps = batches * self.recipe.epochs, 0
        self.subspace = Subspace(options, self.planned_steps) if options.density < 1 else None
        for optimizer in self.optimizers if self.subspace else []:
            self.subspace.attach(optimizer, layers_of(self))
        self.networks: list[list[Tensor]] | None = None

    def optimizer(self, parameters: ParamsT) -> optim.Optimizer:
        """Return the recipe's, which decays all but rho."""
        spread, given, groups = {id(layer.rho) for layer in layers_of(self)}, list(parameters), []
        for group in given if isinstance(given[0], dict) else [{"params": given}]:
            means = [one for one in group["params"] if id(one) not in spread]
            deviations = [one for one in group["params"] if id(one) in spread]
            changes = {"params": means}, {"params": deviations, "weight_decay": 0.0}
            groups += [group | one for one in changes if one["params"]]
        return build_optimizer(groups, self.recipe)

    def step(self, images: Tensor, labels: Tensor) -> None:
        """Take a step of the other method, or exchange weights in its place."""
        if self.subspace:
            self.subspace.plan(self.steps)
            is_at_mean = self.subspace.is_due and self.posterior.addition == "mean"
            for layer in layers_of(self):
                layer.is_sampled = not is_at_mean
        super().step(images, labels)
        self.steps += 1

    def bound(self, layers: list[Stochastic]) -> Tensor:
        """Return the weighted KL of some layers to the prior, an image's part of it."""
        warmup = self.posterior.kl_warmup * self.planned_steps
        growth = min(self.steps / warmup, 1.0) if warmup else 1.0
        weight = self.posterior.kl_weight * growth / self.train_images
        return weight * sum(one.divergence(self.posterior.prior_scale) for one in layers)

    def train(self, mode: bool = True) -> "Posterior":
        self.networks = None  # which are drawn once an evaluation
        return super().train(mode)

    def predict(self, images: Tensor) -> Predictions:
        """Return what the method's other half does of the mean weights, and of sampled ones."""
        layers, own = layers_of(self), super().predict
        found = []
        for weights in self.drawn(layers):
            with replaced(layers, weights):
                found.append(own(images))
        at_mean, sampled = own(images), averaged(found)
        chosen = sampled if self.posterior.prediction == "sampled" else at_mean
        both = {"mean_weights": at_mean.network, "sampled": sampled.network}
        return chosen._replace(rules=chosen.rules | both)

    @torch.no_grad()
    def drawn(self, layers: list[Stochastic]) -> list[list[Tensor]]:
        """Return the weights of sampled networks, by the same random numbers every time."""
        if self.networks is None or self.training:
            self.networks = []
            for number in range(self.posterior.samples):
                generator = torch.Generator().manual_seed(derive(self.seed, "sample", number))
                self.networks.append([layer.draw(generator) for layer in layers])
        return self.networks

    def state(self) -> dict:
        return super().state() | {"steps": self.steps}

    def load_state(self, state: dict) -> None:
        super().load_state(state)
        self.steps = state["steps"]


def averaged(found: list[Predictions]) -> Predictions:
    """Return the log of the mean probabilities of units, network and rules."""

    def average(parts: list[Tensor]) -> Tensor:
        # of one network its own prediction, to the last bit
        return parts[0] if len(parts) == 1 else log_mean(torch.stack(parts))

    units = [average(list(one)) for one in zip(*(one.units for one in found), strict=True)]
    rules = {name: average([one.rules[name] for one in found]) for name in found[0].rules}
    return Predictions(units, average([one.network for one in found]), rules)


def log_mean(log_probabilities: Tensor) -> Tensor:
    """(S, B, K) -> (B, K)."""
    ones = log_probabilities.new_tensor(len(log_probabilities))
    return torch.logsumexp(log_probabilities, dim=0) - ones.log()
