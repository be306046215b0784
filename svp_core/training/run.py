"""A training from a resolved config to its record, with checkpoints in between."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from math import isfinite
from pathlib import Path

import torch

from svp_core import datasets, methods, metrics, provenance
from svp_core.config.options import fill
from svp_core.cost.flops import count_flops
from svp_core.cost.memory import peak_memory
from svp_core.data.files import checksum, reading
from svp_core.data.loading import load_images, subset
from svp_core.data.manifest import manifest_path
from svp_core.graphs import stepper
from svp_core.runtime import interruption
from svp_core.runtime.files import require_writable
from svp_core.runtime.interruption import Interrupted
from svp_core.task import Task
from svp_core.training import checkpoint, record, state
from svp_core.training.epochs import Epoch
from svp_core.training.evaluation import evaluate, look_inside, representations


def train(
    config: dict,
    output: Path,
    saving: checkpoint.Saving,
    data_dir: Path,
    device: torch.device,
) -> dict:
    """Train a resolved config, write its record to `output` and return it.

    A checkpoint is continued and, once the record is written, replaced by a copy of the record; if
    there is one already, nothing is trained. Raises CheckpointError, DataError or OutputError
    before any training, OutputError also when writing, and Interrupted after a signal.
    """
    require_writable(output, *saving.files().values())
    origin = find_origin(config, data_dir)
    result = saving.finished_record(config, origin)
    if result is None:
        result = run(config, origin, saving, data_dir, device)
    record.write(output, result)
    saving.finish(result)
    return result


def run(
    config: dict, origin: dict, saving: checkpoint.Saving, data_dir: Path, device: torch.device
) -> dict:
    """Train from the start, or from the checkpoint, to the end; return the record."""
    started_at = now()
    for metric in config["metrics"]:
        metrics.load(metric)  # one that cannot be measured is known now, not in the end
    train_images, test_images = load_images(config, data_dir, device)
    costs, form = find_costs(config, train_images, device)

    method, history = build_method(config, device), begun(config, origin, device)
    resume(method, history, saving, form, len(train_images))
    looked_at = subset(test_images, config["metrics_images"])
    fit(method, history, train_images, partial(measure, method, test_images, looked_at), saving)

    result = summarise(history, costs)
    if has_representations(history):
        add_representations(result, method, subset(test_images, config["gram_images"]))
    times = {"started_at": started_at, "finished_at": now()}
    return result | {"provenance": origin | record.place() | times}


def find_costs(config: dict, train_images, device: torch.device) -> tuple[dict, dict]:
    """Return FLOPs of an epoch, parameters, which step, its memory, and the outline of a state."""
    # a copy, since a slice would keep, and count, the labels of all images
    batch = [part.clone() for part in next(train_images.in_order(config["recipe"]["batch_size"]))]
    stepped = build_method(config, device)
    costs = {"epoch_flops": len(train_images) // len(batch[0]) * count_flops(stepped, *batch)}
    costs["parameters"] = sum(p.numel() for p in stepped.parameters() if p.requires_grad)
    costs["step"] = "fast" if stepped.fast else "plain"
    form = state.outline(stepped.state())
    del stepped  # before memory is measured
    # and a warm-up
    memory = peak_memory(partial(assemble, config), lambda one: one.place(device), *batch)
    return costs | memory, form


def begun(config: dict, origin: dict, device: torch.device, ranks: int = 1) -> dict:
    """Return the history of a training before its first step."""
    history = {"config": config} | {key: origin[key] for key in checkpoint.IDENTITY}
    environments = [record.environment(device, ranks)]
    return history | {"environments": environments, "curves": [], "position": None}


def find_origin(config: dict, data_dir: Path) -> dict:
    """Return hashes of sources and data, and the state of the repository, before the training."""
    name = config["dataset"]
    files = provenance.run_sources(config)
    origin = {"source_hash": provenance.source_hash(files), "data_hash": None}
    if datasets.facts(name).folder:  # the checksums of the other sets are in the sources
        manifest = manifest_path(name, data_dir)
        with reading(manifest):
            is_there = manifest.exists()  # loading says what is missing
            origin["data_hash"] = checksum(manifest, "sha256")[:12] if is_there else None
    return origin | provenance.repository()


def resume(
    method: methods.Method, history: dict, saving: checkpoint.Saving, form: dict, images: int
) -> None:
    """Continue after the last step of the checkpoint, if there is one; raises CheckpointError."""
    saved = saving.load(history)
    if saved is None:
        return
    recipe = fill("", "recipe", history["config"]["recipe"])
    fault = state.fault(saved, form, recipe, images // recipe.batch_size)
    if fault:
        raise checkpoint.damaged(saving.path, fault)
    method.load_state(saved["method"])
    (here,) = history["environments"]
    history |= {key: saved[key] for key in ("curves", "position")}
    # the last one is that of the end of the training
    history["environments"] = [*(e for e in saved["environments"] if e != here), here]
    print(f"continuing {place_of(history)} from {saving.path}", flush=True)


def place_of(history: dict) -> str:
    """Say how far a training has come."""
    place, position = f"after epoch {len(history['curves'])}", history["position"]
    return f"{place} and step {position['step']} of the next" if position else place


def fit(
    method: methods.Method,
    history: dict,
    train_images,
    measure: Callable[[list[str]], dict],
    saving: checkpoint.Saving,
) -> None:
    """Train until the last epoch or until a loss is not finite, saving after epochs where it pays.

    Long epochs are saved in between; after a signal the state is saved and Interrupted raised.
    `measure` finds accuracies and metrics of these names.
    """
    config, curves = history["config"], history["curves"]
    recipe, take = fill("", "recipe", config["recipe"]), stepper(method)
    while len(curves) < recipe.epochs and all_finite(curves):
        epoch = Epoch(len(curves) + 1, train_images, recipe, config["seed"])
        if history["position"]:
            epoch.enter(history["position"])
        try:
            for _ in epoch.train(method, take):
                interruption.check()
                if saving.is_due():
                    saving.save(history | {"position": epoch.pause(), "method": method.state()})
            found = measure(metrics_due(config, epoch.number))
        except Interrupted as signal:
            history["position"] = epoch.pause()
            saving.save(history | {"method": method.state()})
            raise Interrupted(f"{signal} {place_of(history)}") from None
        entry = epoch.entry(method)
        curves.append(entry | found | {"metrics": entry["metrics"] | found["metrics"]})
        history["position"] = None
        if all_finite(curves) and saving.pays():
            saving.save(history | {"method": method.state()})
        print(progress(curves[-1], recipe.epochs), flush=True)  # now nobody need read it


def measure(method: methods.Method, test_images, looked_at, due: list[str]) -> dict:
    """Return what an epoch's entry in the curves has of the test images."""
    found, inside = evaluate(method, test_images, due), look_inside(method, looked_at, due)
    return inside | found | {"metrics": found["metrics"] | inside["metrics"]}


def metrics_due(config: dict, epoch: int) -> list[str]:
    """Return the metrics to measure after an epoch."""
    every, last = config["metrics_every"], config["recipe"]["epochs"]
    is_due = epoch == last or every is not None and epoch % every == 0
    return config["metrics"] if is_due else []


def build_method(config: dict, device: torch.device) -> methods.Method:
    """Return model and method of a resolved config, as they are before the first step."""
    return assemble(config).place(device)


def assemble(config: dict) -> methods.Method:
    """Return the same, before it is moved anywhere."""
    facts, seed = datasets.facts(config["dataset"]), config["seed"]
    task = Task(facts.shape, facts.classes, config["recipe"]["train_images"] or facts.train_size)
    return methods.assemble(config, task, seed)


def has_representations(history: dict) -> bool:
    """Whether the record of a training that has ended is to have some."""
    return history["config"]["gram_images"] > 0 and all_finite(history["curves"])


def add_representations(result: dict, method: methods.Method, images) -> None:
    """Add those of some images to a record."""
    found = representations(method, images)
    result["analysis_seconds"] += found.pop("analysis_seconds")
    result |= found


def summarise(history: dict, costs: dict) -> dict:
    """Return the results of a record; a diverged run has curves but no accuracy."""
    config, curves = history["config"], history["curves"]
    completed = all_finite(curves)
    last = curves[-1]
    return {
        "config": config,
        "status": "completed" if completed else "diverged",
        "curves": curves,
        "test_accuracy": last["test_accuracy"] if completed else None,
        "metrics": last["metrics"] | {"unit_accuracy": last["unit_accuracy"]} if completed else {},
        "train_seconds": sum(entry["seconds"] for entry in curves),
        "analysis_seconds": sum(entry["analysis_seconds"] for entry in curves),
        "epochs": len(curves),
        "train_flops": len(curves) * costs.pop("epoch_flops"),
        "environments": history["environments"],
    } | costs


def all_finite(curves: list[dict]) -> bool:
    """Whether no loss of the last epoch was infinite or not a number."""
    return not curves or all(isfinite(loss) for loss in curves[-1]["unit_loss"])


def progress(entry: dict, epochs: int) -> str:
    """Return the line of an epoch in the log."""
    if not all_finite([entry]):
        return f"epoch {entry['epoch']}/{epochs}  diverged: a loss is not finite"
    return (
        f"epoch {entry['epoch']}/{epochs}  loss {entry['unit_loss'][-1]:.4f}"
        f"  test accuracy {entry['test_accuracy']:.2f} %  {entry['seconds']:.2f} s"
    )


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
