"""Whether someone looks into blocks, so that a pass may not take another way through them."""

from torch import nn


class Watch:
    """Hooks of modules and weights, frozen weights, modules that are not in training."""

    def __init__(self, blocks: nn.Module):
        modules = list(blocks.modules())
        self.hooks = [  # the dictionaries themselves: asking for them takes its time
            hooks
            for one in modules
            for hooks in (
                one._forward_hooks, one._forward_pre_hooks,
                one._backward_hooks, one._backward_pre_hooks,
            )
        ]  # fmt: skip
        self.weights = list(blocks.parameters())
        self.moody = [one for one in modules if isinstance(one, nn.modules.batchnorm._NormBase)]

    def __call__(self) -> bool:
        return (
            any(self.hooks)
            or any(
                not one.requires_grad or one._backward_hooks or one._post_accumulate_grad_hooks
                for one in self.weights
            )
            or not all(one.training for one in self.moody)
        )
