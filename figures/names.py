"""What figures call datasets, models, methods and sizes, and in which order, mostly by rule."""

import re
from collections.abc import Iterable
from itertools import product

import pandas as pd

Series = tuple[str, str]  # method and variant

# irregular ones only: others are upper case if short, and a number stands behind a hyphen
LABELS = {
    "digits": "Digits",
    "mnist": "MNIST",
    "fashion_mnist": "Fashion-MNIST",
    "cifar": "CIFAR",
    "imagenette": "Imagenette",
    "imagenet": "ImageNet",
    "resnet": "ResNet",
    "vit": "ViT",
    "lda": "LDA",
    "local_lda": "Local LDA",
    "usf": "uSF",
    "sdfa": "sDFA",
    "pepita": "PEPITA",
    "symba": "SymBa",
    "auglocal": "AugLocal",
    "infopro": "InfoPro",
    "biofo": "Bio-FO",
    "mono_forward": "Mono-Forward",
    "noprop": "NoProp",
    "pred": "pred",
    "sim": "sim",
    "softhebb": "SoftHebb",
}
SHORT = 4  # letters
# of datasets, models and methods; new ones follow by the alphabet
ORDER = (
    "digits mnist fashion_mnist cifar imagenette imagenet mlp cnn vgg resnet vit"
    " bp svp sll local_lda predsim"
)
SIZES = {"depth": "depth", "width": "width", "batch": "batch", "image_size": "image size"}


def word(part: str) -> str:
    """A part of a name without the number behind it: resnet of resnet18."""
    return re.match(r"[a-z]*", part)[0]


def label(name: str) -> str:
    """How figures call a dataset, model or method."""
    if name in LABELS:
        return LABELS[name]
    parts = name.split("_")
    is_short = all(len(word(part) or part) <= SHORT for part in parts)
    texts = []
    for part in parts:
        head = word(part)
        text = LABELS.get(head, head.upper() if is_short else head)
        number = part.removeprefix(head)
        texts.append(f"{text}-{number}" if text and number else text or number)
    return " ".join(texts)


def series_label(series: Series) -> str:
    """How figures call a method and its variant."""
    method, variant = series
    addition = "" if variant == "default" else f", {variant.replace('_', ' ')}"
    return label(method) + addition


def shortened(text: str, letters: int = 40) -> str:
    """A text of no more letters, without its middle if it has more."""
    if len(text) <= letters:
        return text
    return f"{text[: letters // 2]}…{text[len(text) - (letters - 1) // 2 :]}"


def natural(name: str) -> list:
    """A key that sorts numbers in names by their size."""
    parts = re.findall(r"\d+|\D+", name)
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]


def ordered(names: Iterable[str]) -> list[str]:
    """Distinct names in the order of ORDER, then of the alphabet."""
    known = {name: place for place, name in enumerate(ORDER.split())}

    def key(name: str) -> tuple:
        place = known.get(name, known.get(word(name), len(known)))
        return place, natural(name)

    return sorted(set(names), key=key)


def tasks(frame: pd.DataFrame) -> list[tuple[str, str, pd.DataFrame]]:
    """Each dataset and model that the frame has, in the order of figures, with its rows."""
    rows = dict(list(frame.groupby(["dataset", "model"])))
    places = product(ordered(frame["dataset"]), ordered(frame["model"]))
    return [(*place, rows[place]) for place in places if place in rows]


def task_label(dataset: str, model: str) -> str:
    """How figures call a dataset and model together."""
    return f"{label(dataset)}, {label(model)}"


def all_series(frame: pd.DataFrame) -> list[Series]:
    """Distinct series by method, of each the default first, then its variants by the alphabet."""
    found = set(zip(frame["method"], frame["variant"], strict=True))
    methods = ordered(frame["method"])
    return sorted(found, key=lambda s: (methods.index(s[0]), s[1] != "default", natural(s[1])))


def in_order(models: dict) -> dict:
    """The same mapping of models in the order of figures."""
    return {model: models[model] for model in ordered(models)}


def count(numbers: pd.Series) -> str:
    """A number that all share, or their range in words."""
    low, high = numbers.min(), numbers.max()
    return f"{low}" if low == high else f"{low} to {high}"


def seeds(frame: pd.DataFrame) -> str:
    """The number of seeds a series has in a panel, in words."""
    return count(frame.groupby(["dataset", "model", "method", "variant"])["seed"].nunique())


def sizes(rows: pd.DataFrame, *names: str) -> str:
    """The named sizes of the rows in words, without those that a model does not have."""
    known = {name: rows[name].dropna() for name in names}
    return ", ".join(
        f"{SIZES[name]} {count(values.astype(int))}"
        for name, values in known.items()
        if len(values)
    )


def fixed_sizes(models: dict[str, pd.DataFrame], *names: str) -> str:
    """The named sizes of each model, for a note; no line breaks within a model."""
    parts = [f"{label(model)}: {sizes(rows, *names)}." for model, rows in models.items()]
    return " ".join(part.replace(" ", "\N{NO-BREAK SPACE}") for part in parts)
