"""What is left of a network's weights, and what it takes then to store, to use and to train it.

layer_sparsity: part of the weights of a dense layer or convolution that is not active, a value a
layer, in order, the head last. active_parameters: trained numbers without those of weights that are
not active; of a Gaussian weight two. stored_bytes: theirs as float32, with a mask of a bit a weight
for layers that have one. inference_flops: of those layers, for one image and one network, S sampled
ones cost S times as much; train_flops_sparse: of all steps of a training of vi or ssvi. They are
executed dense; `_sparse` counts products of active weights alone, as no kernel here saves them.
"""

from svp_core.bayes import counting
from svp_core.bayes.posterior import Posterior
from svp_core.methods.bp import BP
from svp_core.metrics import Inside

READS_NETWORK = True  # which a pipeline has in no one place


def of_layers(inside: Inside) -> dict[str, float | list[float]]:
    """Return these of a method; train_flops_sparse where one loss trains Gaussian weights."""
    method = inside.method
    macs = counting.multiplications(method, inside.images[:1])
    active, stored = counting.parameters(method)
    kept = {layer: counting.density(layer) for layer in macs}
    values = {
        "layer_sparsity": [1 - one for one in kept.values()],
        "active_parameters": active,
        "stored_bytes": stored,
        "inference_flops": 2 * sum(macs.values()),
        "inference_flops_sparse": round(2 * sum(kept[one] * n for one, n in macs.items())),
    }
    if isinstance(method, Posterior) and isinstance(method, BP):
        values["train_flops_sparse"] = counting.train_flops(method, macs, is_sparse=True)
    return values
