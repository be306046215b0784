"""Stochastic Variational Propagation: every local unit maximises a lower bound of its own.

Unit i minimises CE(q_i, y) + beta D(q_i, sg(q_{i-1})); q_i is read from v_i = R_i (m_i * phi(h_i)),
R_i fixed, m_i dropout (arXiv 2505.05181). Its input is detached, so no gradient crosses a unit; it
is updated before the next unit runs, so only one unit's activations and gradients are alive.
"""

from collections import Counter

import torch
from torch import Tensor, nn

from svp_core import local
from svp_core.config.options import choice, flag, integer, number, part
from svp_core.config.pairs import ConfigError
from svp_core.config.run import MethodOptions
from svp_core.local.unit import LocalUnit, Reading
from svp_core.methods import Method, at_least_float32, update
from svp_core.models import Model
from svp_core.seeds import derive
from svp_core.task import Task


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
    dropout: float = number(
        0.0, "p, the probability that m_i drops a feature from the reading", at_least=0, below=1
    )
    noise: float = number(
        0.0,
        "standard deviation of a Gaussian added to v_i in training (reparameterised)",
        at_least=0,
    )
    blocks: int = integer(1, "consecutive blocks of the model that form one unit", at_least=1)
    update: str = choice(
        "fused", "after", meaning="when a unit is updated, before the next one runs or after all"
    )
    inference: str = choice(
        "last", "mean", meaning="prediction of the last unit, or the mean of all log-posteriors"
    )

    def rows(self, classes: int) -> int | None:
        return None if getattr(self, "keeps_width", False) else self.d0 or classes

    def unit_rows(self, run) -> list[int]:
        """Return the length of v_i of every unit, or of one where all are equal."""
        rows = self.rows(run.classes)
        return run.unit_widths(self.blocks) if rows is None else [rows]

    def refuse(self, run):
        depth = run.model.block_count
        if depth and self.blocks > depth:
            yield f"blocks: {self.blocks} exceeds depth {depth}"
        if self.shared and len(set(widths := run.unit_widths(self.blocks))) > 1:
            yield f"shared: one projection cannot read units of widths {widths}"


class SVP(Method):
    """Unit-local training; `units` from the image to the prediction."""

    def __init__(self, units: list[LocalUnit], readouts: list[nn.Module], options: Options, recipe):
        super().__init__(recipe)
        self.units, self.readouts = nn.ModuleList(units), nn.ModuleList(readouts)
        self.options = options
        self.divergence = local.load("alignments", options.alignment).divergence
        self.is_fused = options.update == "fused"
        own, common = parameters_of(units, readouts)
        if [] in own:
            raise ConfigError(f"method_options.blocks: unit {own.index([]) + 1} has no parameters")
        # a step of an optimiser has a price of its own: one does for all updates after the sweep
        groups = [*own, *common] if self.is_fused else [sum([*own, *common], [])]
        self.optimizers = [self.optimizer(group) for group in groups]

    def step(self, images: Tensor, labels: Tensor) -> None:
        hidden, labels = (list(one.chunk(self.micro_batches)) for one in (images, labels))
        previous, losses = [None] * self.micro_batches, []
        for index in range(len(self.units)):
            shares = []
            for place in range(self.micro_batches):
                output, reading = self.read(index, hidden[place])
                loss = self.local_loss(reading, previous[place], labels[place])
                shares.append(self.accumulate(loss))
                hidden[place], previous[place] = output.detach(), reading.detach()
            if self.is_fused:
                update(self.optimizers[index])
            self.observe(index, previous, labels)
            losses.append(sum(shares[1:], start=shares[0]))
        # a readout of several units has gathered the gradients of them all
        for optimizer in self.optimizers[len(self.units) if self.is_fused else 0 :]:
            update(optimizer)
        self.add("unit_loss", torch.stack(losses))

    def read(self, index: int, hidden: Tensor) -> tuple[Tensor, Reading]:
        """Return the activation and the reading of one unit."""
        with self.autocast(hidden.device):
            output, features, projected = self.units[index](hidden)
            logits = self.readouts[index](projected)
        return output, Reading(*map(at_least_float32, (features, projected, logits)))

    def local_loss(self, reading: Reading, previous: Reading | None, labels: Tensor) -> Tensor:
        """Return L_i; the first unit has no predecessor and only predicts."""
        loss = self.loss(reading.logits, labels)
        if previous is None or self.divergence is None:
            return loss
        divergence = self.divergence(reading, previous, self.options)
        return torch.add(loss, divergence, alpha=self.options.beta)

    def observe(self, index: int, readings: list[Reading], labels: list[Tensor]) -> None:
        """Show a readout that keeps statistics the whole batch, once a step."""
        if observe := getattr(self.readouts[index], "observe", None):
            observe(torch.cat([one.projected for one in readings]), torch.cat(labels))

    def sweep(self, images: Tensor) -> list[Reading]:
        """Return the readings of all units."""
        hidden, readings = images, []
        for index in range(len(self.units)):
            hidden, reading = self.read(index, hidden)
            readings.append(reading)
        return readings

    def predict(self, images: Tensor) -> list[Tensor]:
        return [reading.logits.log_softmax(dim=1) for reading in self.sweep(images)]

    def features(self, images: Tensor) -> list[Tensor]:
        return [reading.features for reading in self.sweep(images)]

    def decide(self, predictions: list[Tensor]) -> Tensor:
        if self.options.inference == "mean":
            return torch.stack(predictions).mean(dim=0).log_softmax(dim=1)
        return predictions[-1]


def parameters_of(
    units: list[LocalUnit], readouts: list[nn.Module]
) -> tuple[list[list[nn.Parameter]], list[list[nn.Parameter]]]:
    """Return the parameters of every unit with its own readout, and of shared readouts."""
    uses = Counter(readouts)
    own = [
        [*unit.parameters(), *(readout.parameters() if uses[readout] == 1 else ())]
        for unit, readout in zip(units, readouts, strict=True)
    ]
    common = [list(readout.parameters()) for readout, count in uses.items() if count > 1]
    return own, [group for group in common if group]


def build(model: Model, task: Task, options: Options, recipe, seed: int) -> SVP:
    """Group the model's blocks into units; draw projections and readouts."""
    size, blocks = options.blocks, list(model.blocks)
    groups = [range(start, min(start + size, len(blocks))) for start in range(0, len(blocks), size)]
    widths = [model.widths[group[-1]] for group in groups]
    rows = [options.rows(task.classes) or width for width in widths]
    units = [
        LocalUnit(
            [blocks[i] for i in group],
            model.reduce,
            projection(options, d0, width, seed, group[0]),
            options,
        )
        for group, width, d0 in zip(groups, widths, rows, strict=True)
    ]
    readouts = local.load("readouts", options.readout).build(rows, task, options, seed)
    return SVP(units, readouts, options, recipe)


def projection(options: Options, rows: int, columns: int, seed: int, place: int) -> Tensor | None:
    """Return tau R (rows, columns) of a unit at this place, the same for the same seed and draw."""
    stream = [] if options.shared else [place]
    stream += ["draw", options.draw] if options.draw else []
    generator = torch.Generator().manual_seed(derive(seed, "projection", *stream))
    drawn = local.load("projections", options.projection).draw(rows, columns, generator)
    return None if drawn is None else options.scale * drawn
