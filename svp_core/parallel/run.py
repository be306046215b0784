"""One rank's part of a training: the steps of svp_core.training.run, taken by all together."""

from functools import partial
from pathlib import Path

import torch

from svp_core.data.loading import load_images, subset
from svp_core.methods import Method
from svp_core.parallel.arriving import Arriving, relay
from svp_core.parallel.link import Receiver, Sender
from svp_core.parallel.partition import balanced
from svp_core.parallel.ranks import Ranks
from svp_core.parallel.refusals import require_pipeline
from svp_core.parallel.saving import JointSaving
from svp_core.parallel.stage import Stage
from svp_core.parallel.timing import unit_seconds
from svp_core.runtime.files import require_writable
from svp_core.training import record
from svp_core.training import run as training
from svp_core.training.checkpoint import Saving
from svp_core.training.evaluation import EVALUATION_BATCH, having

UNKNOWN = {"test_accuracy": float("nan"), "unit_accuracy": [], "metrics": {}}  # but to the last


def train(
    config: dict, output: Path, saving: Saving, data_dir: Path, device: torch.device, ranks: Ranks
) -> None:
    """Train a resolved config as one rank of several; the last one writes record and checkpoints.

    Raises what svp_core.training.run does, ConfigError for what a pipeline cannot do, and LostRank.
    """
    require_writable(output, *saving.files().values())
    origin = training.find_origin(config, data_dir)
    found = saving.finished_record(config, origin) if ranks.is_last else None
    result = ranks.from_rank(-1, found)
    if result is None:
        result = run(config, origin, saving, data_dir, device, ranks)
    if ranks.is_last:
        record.write(output, result)
        saving.finish(result)
    ranks.all(None)  # a record that cannot be written is an error of all


def run(config, origin, saving: Saving, data_dir, device: torch.device, ranks: Ranks) -> dict:
    """Train from the start, or from the checkpoint, to the end; return the record, at the last."""
    started_at = training.now()
    whole = training.assemble(config)
    require_pipeline(config, whole, ranks.count)
    images = load_images(config, data_dir, device)
    size = len(images[0])
    costs, form = training.find_costs(config, images[0], device) if ranks.is_last else ({}, {})
    stage = build_stage(whole, config, images[0], device, ranks)
    train_images, test_images, looked_at, shown = arriving(stage, images, config, device)

    history = training.begun(config, origin, device, ranks.count)
    joint = JointSaving(saving, stage, list(form.get("modules", ())))
    if ranks.is_last:
        training.resume(joint, history, saving, form, size)
    joint.share(history)
    measure = measure_last if ranks.is_last else pass_on
    look = partial(measure, stage, test_images, looked_at)
    training.fit(stage, history, train_images, look, joint)

    is_asked = training.has_representations(history)
    if not ranks.is_last:
        if is_asked:
            relay(stage, shown, len(shown), is_inside=True)
        return {}
    result = training.summarise(history, costs)
    if is_asked:
        training.add_representations(result, stage, shown)
    times = {"started_at": started_at, "finished_at": training.now()}
    return result | {"provenance": origin | record.place() | times}


def build_stage(whole: Method, config, images, device: torch.device, ranks: Ranks) -> Stage:
    """Return the units of this rank, every rank having about as long to work on a batch."""
    seconds = None
    if ranks.is_first:
        batch = next(images.in_order(config["recipe"]["batch_size"]))
        seconds = unit_seconds(training.build_method(config, device), *batch)
    spans = balanced(ranks.from_rank(0, seconds), ranks.count)
    groups = ", ".join(f"{span.start + 1} to {span.stop}" for span in spans)
    print(f"units of {ranks.count} ranks: {groups}", flush=True)
    sender = None if ranks.is_last else Sender(ranks.own + 1)
    stage = Stage(whole, spans[ranks.own], ranks, sender)
    return stage.place(device)


def arriving(stage: Stage, images: list, config: dict, device: torch.device) -> list:
    """Return training and test images, and those that metrics and the record look into.

    At the first rank they are images, at a later one what the rank before makes of them.
    """
    sizes = [config["metrics_images"], config["gram_images"] or 1]
    parts = [*images, *(subset(images[1], size) for size in sizes)]
    if stage.ranks.is_first:
        return parts
    receiver = Receiver(stage.ranks.own - 1, device)
    return [Arriving(len(part), receiver) for part in parts]


def measure_last(*arguments) -> dict:
    """Return what svp_core.training.run measures; the energy of one device is not that of all."""
    return training.measure(*arguments) | {"joules": None}


def pass_on(stage: Stage, test_images, looked_at, due: list[str]) -> dict:
    """Do the part of a rank that is not the last in `measure`."""
    relay(stage, test_images, EVALUATION_BATCH, is_inside=False)
    if having("of_features", due) or having("of_layers", due):
        relay(stage, looked_at, len(looked_at), is_inside=True)
    return UNKNOWN | {"analysis_seconds": 0.0}
