"""AdamW of torch, bit for bit, whose fused kernel is called with little around it.

torch gathers and groups the tensors of every step anew and labels it for the profiler, which takes
several times as long as the kernel where there are few weights, once a unit. Here lists are kept.
"""

import torch
from torch import Tensor, optim
from torch.optim import optimizer as base

# averages, squares, steps, all steps in one
State = tuple[list[Tensor], list[Tensor], list[Tensor], Tensor]
# torch's own step, with its hooks and its label
LABELLED = (
    optim.AdamW.step
    if hasattr(optim.AdamW.step, "hooked")
    else optim.Optimizer.profile_hook_step(optim.AdamW.step)
)


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
        is_whole = all(one is not None for given in gradients for one in given)
        if self.kept is None or closure or self.has_hooks() or not is_whole:
            found = LABELLED(self, closure)
            if self.kept is None and is_whole:
                self.kept = [self.state_of(group) for group in self.param_groups]
            return found
        with torch.no_grad():
            for group, given, state in zip(self.param_groups, gradients, self.kept, strict=True):
                apply(group, given, *state)

    step.hooked = True  # or torch would wrap it in what LABELLED does

    def has_hooks(self) -> bool:
        """Whether someone wants to know of a step."""
        return bool(
            self._optimizer_step_pre_hooks
            or self._optimizer_step_post_hooks
            or base._global_optimizer_pre_hooks
            or base._global_optimizer_post_hooks
        )

    def state_of(self, group: dict) -> State:
        states = [self.state[one] for one in group["params"]]
        together = torch.stack([one["step"] for one in states])
        for one, step in zip(states, together.unbind(), strict=True):
            one["step"] = step  # a part of the vector, which is counted up by one call
        return *(
            [one[name] for one in states] for name in ("exp_avg", "exp_avg_sq", "step")
        ), together


def apply(
    group: dict, gradients: list[Tensor], first: list, second: list, steps: list, together: Tensor
) -> None:
    """Take a step of all parameters of a group by one call."""
    together.add_(1)
    torch._fused_adamw_(
        group["params"], gradients, first, second, [], steps,
        lr=group["lr"], beta1=group["betas"][0], beta2=group["betas"][1],
        weight_decay=group["weight_decay"], eps=group["eps"], amsgrad=False, maximize=False,
    )  # fmt: skip
