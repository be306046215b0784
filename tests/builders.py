"""Records as svp_core writes them, made up for tests of tables and figures."""

import json
from pathlib import Path

KINDS = [
    "parameters",
    "buffers",
    "gradients",
    "optimizer",
    "activations_at_peak",
    "data",
    "temporary",
]


def record(**overrides) -> dict:
    """A valid record of a run; overrides of keys of its config go there, of others to the top.

    Its recipe has as many epochs as it was trained for, unless that is given.
    """
    config = {
        "dataset": "mnist",
        "model": "mlp",
        "model_options": {"depth": 2, "width": 8},
        "method": "svp",
        "method_options": {},
        "variant": "default",
        "seed": 0,
        "recipe": {"epochs": max(overrides.get("epochs", 2), 1), "batch_size": 64},
    }
    whole = {
        "config": config,
        "status": "completed",
        "curves": [epoch(1, [60.0, 70.0]), epoch(2, [80.0, 90.0])],
        "test_accuracy": 90.0,
        "metrics": {"unit_accuracy": [80.0, 90.0]},
        "train_seconds": 1.5,
        "analysis_seconds": 0.1,
        "train_flops": 4_000_000,
        "epochs": 2,
        "parameters": 1000,
        "peak_memory_bytes": 65536,
        "peak_memory_source": "tensors",
        "tensor_bytes": 65536,
        "activation_bytes": 32768,
        "environments": [
            {
                "device": "CPU",
                "threads": 1,
                "python": "3.11.7",
                "platform": "Linux",
                "torch": "2.9.0+cpu",
                "numpy": "2.3.0",
            }
        ],
        "provenance": {
            "source_hash": "0123456789ab",
            "data_hash": None,
            "git_commit": None,
            "git_dirty": False,
            "node": "node1",
            "job": None,
            "started_at": "2026-01-01T00:00:00+00:00",
            "finished_at": "2026-01-01T00:00:02+00:00",
        },
    }
    for key, value in overrides.items():
        (config if key in config else whole)[key] = value
    return whole


def epoch(number: int, accuracies: list[float]) -> dict:
    """An entry of the curves, with a loss that falls as the accuracy grows."""
    return {
        "epoch": number,
        "learning_rate": 0.001,
        "unit_loss": [2.3 * (1 - accuracy / 100) for accuracy in accuracies],
        "unit_accuracy": accuracies,
        "test_accuracy": accuracies[-1],
        "metrics": {},
        "seconds": 0.5,
        "joules": None,
    }


def completed(accuracies: list[float], epochs: int = 2, **config) -> dict:
    """A record of a completed run that ends at these accuracies of the units."""
    curves = [
        epoch(number, [a - (a - 10) * 0.6**number * (number < epochs) for a in accuracies])
        for number in range(1, epochs + 1)
    ]
    ends = {"test_accuracy": accuracies[-1], "metrics": {"unit_accuracy": accuracies}}
    return record(curves=curves, epochs=epochs, **ends, **config)


def diverged(epochs: int = 1, **config) -> dict:
    """A record of a run whose loss stopped being finite in its last epoch."""
    curves = [epoch(number, [15.0, 20.0]) for number in range(1, epochs + 1)]
    for entry in curves[-1:]:
        entry["unit_loss"] = [None, None]
    ends = {"status": "diverged", "test_accuracy": None, "metrics": {}}
    return record(curves=curves, epochs=epochs, **ends, **config)


def cost_rows(
    model: str = "mlp",
    series: tuple[str, str] = ("bp", "default"),
    values: dict | None = None,
    device: str | None = None,
    baseline: str | None = "bp",
    headlines: tuple[str, ...] = ("default",),
    **sizes,
) -> list[dict]:
    """Rows of the table of cost, one a quantity; without values, those that a simulation gives."""
    size = {"depth": 2, "width": 100, "batch": 64, "image_size": 28} | sizes
    if values is None:
        saved = size["depth"] if series[0] == baseline else 1
        activations = size["batch"] * size["width"] * saved
        kinds = {kind: 2**18 for kind in KINDS} | {"activations_at_peak": 4 * activations}
        flops = 6.0 * size["batch"] * size["depth"] * size["width"] ** 2
        values = kinds | {"total": sum(kinds.values()), "activations": activations, "flops": flops}
    names = {"model": model, "method": series[0], "variant": series[1]}
    names |= {"baseline": baseline, "headline": series[1] in headlines}
    rest = {"unit": "1", "source": "measured" if device else "simulated", "device": device}
    return [
        names | size | {"quantity": name, "value": float(value)} | rest
        for name, value in values.items()
    ]


def times(ratio: float) -> dict:
    """Values of a measured step that took so many times as long as that of the baseline."""
    names = "step_time_ratio_low", "step_time_ratio", "step_time_ratio_high"
    return dict(zip(names, (0.9 * ratio, ratio, 1.2 * ratio), strict=True)) | {
        "step_time": 0.001 * ratio
    }


def write_records(folder: Path, records: list[dict]) -> list[str]:
    """Write records to files; their paths."""
    paths = [folder / f"record_{index}.json" for index in range(len(records))]
    for path, content in zip(paths, records, strict=True):
        path.write_text(json.dumps(content))
    return [str(path) for path in paths]
