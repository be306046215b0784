"""Stochastic Variational Propagation: every local unit maximises a lower bound of its own.

Unit i minimises CE(q_i, y) + beta D(q_i, sg(q_{i-1})); q_i is read from v_i = R_i (m_i * phi(h_i)),
R_i fixed, m_i dropout (arXiv 2505.05181). Its input is detached, so no gradient crosses a unit; it
is updated before the next unit runs, so only one unit's activations and gradients are alive. With
an overlap, not the paper's, losses reach back into the units before, and those are alive too.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from svp_core import local
from svp_core.config.options import choice, flag, integer, number, part
from svp_core.config.pairs import ConfigError
from svp_core.config.run import MethodOptions
from svp_core.local import inside
from svp_core.local.fast import FastStep
from svp_core.local.making import alignments, grouped, inference_rules, projection
from svp_core.local.plain import PlainStep
from svp_core.local.step import Batch, Step
from svp_core.local.unit import LocalUnit, Reading, parameters_of
from svp_core.methods import Layer, Method, Predictions, at_least_float32
from svp_core.models import Model
from svp_core.task import Task

SERVED = {  # by the fast step, beside all else that has no overlap
    "readout": ("codebook", "identity", "lda", "private", "shared"),
    "alignment": ("bhattacharyya", "gaussian_kl", "kl", "none"),
    "neurons": ("none",),
}


class Options(MethodOptions):
    """The method's ablation axes; those of its parts stand beside them."""

    projection: str = part(
        "projections", "gaussian", "law of the fixed random matrix R_i; identity projects nothing"
    )
    shared: bool = flag(False, "one R for all units, of equal widths then, rather than one each")
    draw: int = integer(0, "which of the possible R_i; others of equal seed share initial weights")
    d0: int | None = integer(None, "rows of R_i; null means the number of classes K", at_least=1)
    scale: float = number(1.0, "tau; the entries of R_i have variance tau^2/d_i", above=0)
    readout: str = part("readouts", "identity", "from v_i to class logits")
    alignment: str = part(
        "alignments", "gaussian_kl", "divergence D between the readings of neighbouring units"
    )
    beta: float = number(1.0, "weight of the alignment", at_least=0)
    target: str = part("targets", "labels", "what units before the last one shall predict")
    dropout: float = number(
        0.0, "p, the probability that m_i drops a feature from the reading", at_least=0, below=1
    )
    noise: float = number(
        0.0,
        "standard deviation of a Gaussian added to v_i in training (reparameterised)",
        at_least=0,
    )
    neurons: str = part(
        "neurons", "none", "stochastic neurons whose draws are read in training in place of phi(h)"
    )
    blocks: int = integer(1, "consecutive blocks of the model that form one unit", at_least=1)
    overlap: int = integer(
        0, "units before a unit that its loss trains as well; above 0 no longer layer-local"
    )
    own_weight: float = number(
        1.0,
        "weight of a unit's own loss in its gradient, beside those of later units that reach it",
        at_least=0,
    )
    auxiliary: str = part(
        "auxiliaries", "none", "network between a unit's activation and what is read from it"
    )
    update: str = choice(
        "fused", "after", meaning="when a unit is updated, before the next one runs or after all"
    )
    inference: str = part("inferences", "last", "from what all units read to the prediction")
    step: str = choice(
        *("auto", "plain", "fast"),
        meaning="how gradients are computed, equal up to rounding: plain by autograd, fast in"
        " closed form from the loss to phi(h) (svp_core/local/fast.py), auto fast where it can",
    )
    has_unit_rates = True

    def read_widths(self, run) -> list[int]:
        """Return the length of phi of every unit, as it is read."""
        return run.unit_widths(self.blocks, getattr(self, "ahead", 0))

    def rows(self, classes: int) -> int | None:
        return None if getattr(self, "keeps_width", False) else self.d0 or classes

    def unit_rows(self, run) -> list[int]:
        """Return the length of v_i of every unit, or of one where all are equal."""
        rows = self.rows(run.classes)
        return self.read_widths(run) if rows is None else [rows]

    @property
    def unserved(self) -> list[str]:
        """Return the settings that the fast step has no closed form of."""
        overlap = [f"overlap {self.overlap}"] if self.overlap else []
        chosen = {key: getattr(self, key) for key in SERVED}
        return overlap + [f"{key} {one}" for key, one in chosen.items() if one not in SERVED[key]]

    def refuse(self, run):
        depth = run.model.block_count
        if depth and self.blocks > depth:
            yield f"blocks: {self.blocks} exceeds depth {depth}"
        elif depth and self.overlap >= (units := -(-depth // self.blocks)):
            yield f"overlap: no unit of {units} has {self.overlap} before it"
        if self.step == "fast" and self.unserved:
            yield f"step: fast has no closed form of {', '.join(self.unserved)}; leave auto"
        if self.own_weight != 1 and not self.overlap:
            yield "own_weight: without an overlap every loss is a unit's own; leave 1"
        if self.shared and len(set(widths := self.read_widths(run))) > 1:
            yield f"shared: one projection cannot read units of widths {widths}"


class SVP(Method):
    """Unit-local training; `units` from the image to the prediction."""

    def __init__(
        self,
        units: list[LocalUnit],
        readouts: list[nn.Module],
        alignments: list[Callable[[Reading, Reading], Tensor]],
        rules: dict[str, nn.Module],
        options: Options,
        recipe,
        target: nn.Module | None = None,
    ):
        super().__init__(recipe)
        self.units, self.readouts = nn.ModuleList(units), nn.ModuleList(readouts)
        self.rules, self.target, self.options = nn.ModuleDict(rules), target, options
        self.alignments = alignments
        self.with_state = nn.ModuleList(one for one in alignments if isinstance(one, nn.Module))
        self.observers = [one for one in rules.values() if hasattr(one, "observe")]
        self.keeps_shown = bool(self.observers)  # also at ranks that have none of them
        self.is_fused = options.update == "fused"
        if options.overlap >= len(units):
            raise ConfigError(
                f"method_options.overlap: no unit of {len(units)} has {options.overlap} before it"
            )
        self.own, common = parameters_of(units, readouts)
        if [] in self.own:
            raise ConfigError(
                f"method_options.blocks: unit {self.own.index([]) + 1} has no parameters"
            )
        self.optimizers = self.unit_optimizers(self.own, common, together=not self.is_fused)

    def step(self, images: Tensor, labels: Tensor) -> None:
        self.step_kind(images, labels)

    @property
    def step_kind(self) -> Step:
        """What takes a step: autograd, unless closed forms of equal numbers are there."""
        return self.fast or PlainStep(self)

    def conclude(self, batch: Batch) -> None:
        """Show a step to what learns from all units, or the last one, or follows their weights."""
        if self.target is not None:
            for reading, known in zip(batch.previous, batch.labels, strict=True):
                self.target.observe(reading.logits, known, 1 / self.micro_batches)
        for rule in self.observers:
            for values, known in zip(batch.shown, batch.labels, strict=True):
                rule.observe(values, known, 1 / self.micro_batches)
        for unit in self.units:
            if follow := getattr(unit.auxiliary, "follow", None):
                follow()

    def read(
        self, index: int, hidden: Tensor, labels: Tensor | None = None
    ) -> tuple[Tensor, Reading]:
        """Return the activation and the reading of one unit.

        In training, where there are labels, a readout that keeps statistics is shown v first.
        """
        with self.autocast(hidden.device):
            output, features, projected = self.units[index](hidden)
            observe = None if labels is None else getattr(self.readouts[index], "observe", None)
            if observe:
                observe(projected.detach(), labels, 1 / self.micro_batches)
            logits = self.readouts[index](projected)
        return output, Reading(*map(at_least_float32, (features, projected, logits)))

    def local_loss(
        self, reading: Reading, previous: Reading | None, labels: Tensor, index: int = -1
    ) -> Tensor:
        """Return L_i; the first unit has no predecessor and only predicts."""
        is_last = index in (-1, len(self.units) - 1)
        targets = labels if is_last or self.target is None else self.target(labels)
        loss = self.loss(reading.logits, targets)
        alignment = self.alignments[index] if self.alignments and previous is not None else None
        if self.training and (observe := getattr(alignment, "observe", None)):
            observe(reading.detach(), previous, 1 / self.micro_batches)
        if alignment is not None:
            loss = torch.add(loss, alignment(reading, previous), alpha=self.options.beta)
        if self.training and (score := getattr(self.units[index].neurons, "score", None)):
            apart = self.options.beta * inside.divergence(alignment, reading, previous)
            loss = loss + score(apart + self.loss(reading.logits, targets, "none"))
        return loss

    def sweep(self, images: Tensor) -> list[Reading]:
        """Return the readings of all units."""
        hidden, readings = images, []
        for index in range(len(self.units)):
            hidden, reading = self.read(index, hidden)
            readings.append(reading)
        return readings

    def predict(self, images: Tensor) -> Predictions:
        readings = self.sweep(images)
        rules = {name: rule(readings) for name, rule in self.rules.items()}
        units = [one.logits.log_softmax(dim=1) for one in readings]
        return Predictions(units, rules[self.options.inference], rules)

    def features(self, images: Tensor) -> list[Tensor]:
        return [reading.features for reading in self.sweep(images)]

    def layers(self, images: Tensor) -> list[Layer]:
        readings, aligned = self.sweep(images), self.alignments or [None] * len(self.units)
        return [
            Layer(
                *(one.features, one.projected, one.logits.log_softmax(dim=1)),
                weight=self.weight(index, one),
                divergence=inside.divergence(aligned[index], one, before),
            )
            for index, (one, before) in enumerate(inside.with_previous(readings))
        ]

    def weight(self, index: int, reading: Reading) -> Tensor | None:
        """Return the matrix (K, d_i) from phi(h) to logits, if there is one."""
        return inside.weight(self.units[index], self.readouts[index], reading)

    def layer_blocks(self) -> list[nn.Module]:
        return [unit.blocks for unit in self.units]

    @torch.enable_grad()
    def gradients(self, images: Tensor, labels: Tensor) -> list[tuple[Tensor, Tensor]]:
        readings, own = self.sweep(images), self.options
        pairs = enumerate(inside.with_previous(readings))
        losses = [self.local_loss(*pair, labels, index) for index, pair in pairs]
        whole = self.loss(readings[-1].logits, labels)
        return inside.gradients(losses, whole, self.layer_blocks(), own.overlap, own.own_weight)


def build(model: Model, task: Task, options: Options, recipe, seed: int) -> SVP:
    """Group the model's blocks into units; draw projections and readouts."""
    blocks = list(model.blocks)
    groups = grouped(len(blocks), options.blocks)
    end, ahead = len(blocks) - 1, getattr(options, "ahead", 0)
    widths = [model.widths[min(group[-1] + ahead, end)] for group in groups]
    rows = [options.rows(task.classes) or width for width in widths]
    auxiliaries = local.load("auxiliaries", options.auxiliary).build(blocks, groups, options, seed)
    units = [
        LocalUnit(
            [blocks[i] for i in group],
            auxiliary,
            model.reduce,
            projection(options, d0, width, seed, group[0]),
            options,
        )
        for group, auxiliary, width, d0 in zip(groups, auxiliaries, widths, rows, strict=True)
    ]
    readouts = local.load("readouts", options.readout).build(rows, task, options, seed)
    rules = inference_rules(rows, task, options)
    target = local.load("targets", options.target).build(task, options)
    method = SVP(units, readouts, alignments(rows, options), rules, options, recipe, target)
    if options.step != "plain" and not options.unserved:
        method.fast = FastStep(method, task.classes)
    return method
