"""Muon: of a matrix, the step is its orthogonal factor (kellerjordan.github.io/posts/muon)."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn, optim
from torch.optim.adamw import adamw

COEFFICIENTS = 3.4445, -4.7750, 2.0315  # of an odd polynomial that brings 0 to 1 near 1
ROUNDS = 5
RMS = 0.2  # of a step at rate 1, as of AdamW, so that its rates do (arXiv 2502.16982)
BETAS, EPS = (0.9, 0.999), 1e-8  # of AdamW


class Muon(optim.Optimizer):
    """Kernels (O, I, h, w) count as matrices (O, I h w); vectors are trained by AdamW.

    torch.optim.Muon takes matrices only, one optimiser beside another.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], lr: float, weight_decay: float, momentum: float
    ):
        settings = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum, "fused": True}
        super().__init__(parameters, settings)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Update all parameters that have a gradient."""
        for group in self.param_groups:
            given = [one for one in group["params"] if one.grad is not None]
            for one in given:
                if one.ndim > 1:
                    self.step_of_matrix(one, group)
            self.step_of_vectors([one for one in given if one.ndim < 2], group)

    def step_of_matrix(self, weights: nn.Parameter, group: dict) -> None:
        state, gradient = self.state[weights], weights.grad
        if not state:
            state["average"] = torch.zeros_like(gradient)
        average = state["average"].lerp_(gradient, 1 - group["momentum"])
        direction = gradient.lerp(average, group["momentum"]).flatten(1)  # Nesterov's
        scale = RMS * max(direction.shape) ** 0.5
        change = orthogonal(direction).view(weights.shape)
        weights.mul_(1 - group["lr"] * group["weight_decay"])
        weights.sub_(change.mul_(group["lr"] * scale))

    def step_of_vectors(self, vectors: list[nn.Parameter], group: dict) -> None:
        for one in vectors:
            if not self.state[one]:
                first, second = torch.zeros_like(one), torch.zeros_like(one)
                step = torch.zeros((), device=one.device)
                self.state[one] |= {"first": first, "second": second, "step": step}
        first, second, steps = (
            [self.state[one][name] for one in vectors] for name in ("first", "second", "step")
        )
        adamw(
            vectors, [one.grad for one in vectors], first, second, [], steps, fused=True,
            amsgrad=False, beta1=BETAS[0], beta2=BETAS[1], lr=group["lr"],
            weight_decay=group["weight_decay"], eps=EPS, maximize=False,
        )  # fmt: skip


def orthogonal(matrix: Tensor) -> Tensor:
    """Return about U V' of a matrix (m, n) = U S V', by Newton-Schulz iterations."""
    is_tall = matrix.shape[0] > matrix.shape[1]
    found = matrix.T if is_tall else matrix
    found = found / found.norm().clamp(min=1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(ROUNDS):
        gram = found @ found.T
        found = torch.addmm(found, torch.addmm(gram, gram, gram, beta=b, alpha=c), found, beta=a)
    return found.T if is_tall else found
