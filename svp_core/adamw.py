"""AdamW of torch, bit for bit, whose fused kernel is called with little around it.

torch gathers and groups the tensors of every step anew, which takes ten times as long as the kernel
where there are few weights, once a unit. Here the lists are kept.
"""

import torch
from torch import Tensor, optim

State = tuple[list[Tensor], list[Tensor], list[Tensor]]  # of a group: averages, squares, steps


class AdamW(optim.AdamW):
    """As torch's with `fused=True`, for every method alike; states are interchangeable."""

    def __init__(self, parameters, lr: float, weight_decay: float):
        self.kept: list[State] | None = None
        super().__init__(parameters, lr=lr, weight_decay=weight_decay, fused=True)

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)
        self.kept = None  # loaded tensors are others

    def add_param_group(self, group: dict) -> None:
        super().add_param_group(group)
        self.kept = None

    def step(self, closure=None):
        """Update the parameters; those without a gradient are left as they are."""
        gradients = [[one.grad for one in group["params"]] for group in self.param_groups]
        if closure is not None or any(one is None for given in gradients for one in given):
            self.kept = None
            return super().step(closure)
        if self.kept is None:
            found = super().step()  # which makes the state
            self.kept = [self.state_of(group) for group in self.param_groups]
            return found
        with torch.no_grad():
            for group, given, state in zip(self.param_groups, gradients, self.kept, strict=True):
                apply(group, given, *state)

    def state_of(self, group: dict) -> State:
        states = [self.state[one] for one in group["params"]]
        return tuple([one[name] for one in states] for name in ("exp_avg", "exp_avg_sq", "step"))


def apply(group: dict, gradients: list[Tensor], first, second, steps: list[Tensor]) -> None:
    """Take a step of all parameters of a group by one call."""
    torch._foreach_add_(steps, 1)
    torch._fused_adamw_(
        group["params"], gradients, first, second, [], steps,
        lr=group["lr"], beta1=group["betas"][0], beta2=group["betas"][1],
        weight_decay=group["weight_decay"], eps=group["eps"], amsgrad=False, maximize=False,
    )  # fmt: skip
