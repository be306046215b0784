"""Stochastic Variational Propagation (arXiv 2505.05181) and its baselines, in PyTorch."""

from importlib import import_module

# by the modules that hold them, which import torch: imported when asked for, not before
PUBLIC = {
    "Trainer": "api",
    "step_costs": "api",
    "BatchError": "api",
    "propose_units": "proposal",
    "ConfigError": "config.pairs",
    "__version__": "version",
}
__all__ = list(PUBLIC)


def __getattr__(name: str):
    """Return a name of the public interface."""
    if name not in PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{PUBLIC[name]}"), name)
