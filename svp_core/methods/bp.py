"""Backpropagation: one loss of one trainable linear head, one backward pass through all blocks."""

import torch
from torch import Tensor, nn

from svp_core.config.options import choice, number
from svp_core.config.run import MethodOptions
from svp_core.methods import Layer, Method, Predictions, at_least_float32, update
from svp_core.models import Model
from svp_core.runtime import activation_checkpointing
from svp_core.sampling.layers import Sampling, sample_activations
from svp_core.seeds import derive
from svp_core.task import Task


class Options(MethodOptions):
    """Which activations are kept, and when parameters are updated."""

    sampled = ("mlp", "vit")  # models whose activations may be sampled, their layers being dense

    activation_checkpointing: str = choice(
        "none", "blocks", "segments",
        meaning="keep only the inputs of every block, or of about sqrt(L) segments, and compute the"
        " rest again when the backward pass needs it",
    )  # fmt: skip
    activations: str = choice(
        "all", "wta_crs", "crs", "top_k",
        meaning="which rows of the inputs of dense layers are kept for the gradients of weights:"
        " all, the largest and a sample of the rest (WTA-CRS, arXiv 2305.15265), a sample (CRS), or"
        " the largest alone (biased)",
    )  # fmt: skip
    keep: float = number(
        1.0, "k/N, the share of rows that is kept where not all are", above=0, at_most=1
    )
    update: str = choice(
        "after", "fused",
        meaning="when a parameter is updated, after the backward pass or fused into it, as soon as"
        " its gradient is there",
    )  # fmt: skip

    @property
    def depth_law(self) -> int:
        return 2 if self.activation_checkpointing == "segments" else 1

    @property
    def not_recorded(self) -> str:
        if self.activation_checkpointing != "none":
            return "checkpointing looks at the state of the random numbers"
        return "" if self.activations == "all" else "the sample depends on the images of a batch"

    def refuse(self, run):
        if self.update == "fused" and run.recipe.micro_batches > 1:
            yield "update: fused into a backward pass, gradients cannot be accumulated"
        if self.activations == "all":
            if self.keep < 1:
                yield "keep: of activations all, all rows are kept; leave 1"
        elif run.model_name not in self.sampled:
            known = "bp on mlp and vit" if not self.sampled else " and ".join(self.sampled)
            yield f"activations: sampled of {known} alone, not of {run.model_name} here"
        elif self.activation_checkpointing != "none":
            yield "activations: with checkpointing nothing is kept to sample; choose one of them"
        elif getattr(run.model, "activation", "relu") != "relu":
            yield f"activations: {run.model.activation} keeps its whole output; only relu does not"


class BP(Method):
    """The baseline; its whole network is one unit."""

    def __init__(self, model: Model, task: Task, options: Options, recipe, seed: int):
        super().__init__(recipe)
        self.blocks = nn.Sequential(*model.blocks)
        self.segments = activation_checkpointing.segments(
            list(model.blocks), options.activation_checkpointing
        )
        self.sampling = None
        if options.activations != "all":
            self.sampling = Sampling(options.activations, options.keep)
            sample_activations(self.blocks, self.sampling, task.train_images)
        self.reduce = model.reduce
        # a network's own head sees the activation itself
        self.see, self.head = (
            (nn.Identity(), model.head)
            if model.head
            else (model.reduce, head(model.widths[-1], task.classes, seed))
        )
        self.is_fused = options.update == "fused"
        groups = [[one] for one in self.parameters()] if self.is_fused else [self.parameters()]
        self.optimizers = [self.optimizer(group) for group in groups]
        if self.is_fused:
            for place, parameter in enumerate(self.parameters()):
                parameter.register_post_accumulate_grad_hook(
                    lambda _, all=self.optimizers, place=place: update(all[place])
                )

    def step(self, images: Tensor, labels: Tensor) -> None:
        is_sampled = self.sampling is not None and self.places is not None
        batch = [images, labels, self.places] if is_sampled else [images, labels]
        parts = zip(*(one.chunk(self.micro_batches) for one in batch), strict=True)
        shares = [self.part(*one) for one in parts]
        if not self.is_fused:
            update(self.optimizers[0])
        self.add("unit_loss", sum(shares[1:], start=shares[0])[None])

    def part(self, images: Tensor, labels: Tensor, places: Tensor | None = None) -> Tensor:
        """Add the gradients of a part of a batch; return its share of the loss."""
        if self.sampling is not None:
            self.sampling.images = places
        return self.accumulate(self.loss(self.logits(images), labels))

    def logits(self, images: Tensor) -> Tensor:
        """Return the class logits (B, K) of the head."""
        with self.autocast(images.device):
            hidden = activation_checkpointing.run(self.segments, images)
            return at_least_float32(self.head(self.see(hidden)))

    def predict(self, images: Tensor) -> Predictions:
        posterior = self.logits(images).log_softmax(dim=1)
        return Predictions([posterior], posterior)

    def features(self, images: Tensor) -> list[Tensor]:
        found, hidden = [], images
        with self.autocast(images.device):
            for block in self.blocks:
                hidden = block(hidden)
                found.append(at_least_float32(self.reduce(hidden)))
        return found

    def layers(self, images: Tensor) -> list[Layer]:
        *before, last = super().layers(images)
        return [*before, last._replace(weight=self.head.weight)]

    def layer_blocks(self) -> list[nn.Module]:
        return list(self.blocks)


def head(width: int, classes: int, seed: int) -> nn.Linear:
    """Return the trainable head, the same for all methods of a seed that have one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "head"))
        return nn.Linear(width, classes)


build = BP
