"""Settings that are fine each but impossible together, refused by name."""

from collections.abc import Iterator

from svp_core import datasets


def offence(config: dict) -> str | None:
    """Return what is impossible in a resolved run, `key: reason`, or None."""
    facts = datasets.facts(config["dataset"])
    return next(
        offences(
            config["model"],
            config["model_options"],
            config["method_options"],
            config["recipe"],
            facts,
        ),
        None,
    )


def offences(model: str, sizes: dict, options: dict, recipe: dict, facts) -> Iterator[str]:
    _, height, width = facts.shape
    if recipe["batch_size"] > facts.train_size:
        yield f"recipe.batch_size: {recipe['batch_size']} exceeds the {facts.train_size} images"
    if recipe["warmup_epochs"] > recipe["epochs"]:
        yield f"recipe.warmup_epochs: {recipe['warmup_epochs']} exceeds epochs {recipe['epochs']}"
    yield from shapes(model, sizes, height, width)
    if options.get("blocks", 1) > sizes["depth"]:
        yield f"method_options.blocks: {options['blocks']} exceeds depth {sizes['depth']}"
    if options.get("d0") not in (None, facts.classes):
        yield (
            f"method_options.d0: {options['d0']} rows cannot be read as {facts.classes} class"
            " logits; leave d0 at null"
        )


def shapes(model: str, sizes: dict, height: int, width: int) -> Iterator[str]:
    """What the model cannot do with an image of this height and width (pixels)."""
    if model == "cnn":
        if sizes["depth"] % sizes["stages"]:
            yield f"model_options.depth: {sizes['depth']} is no multiple of stages"
        if min(height, width) < 2 ** sizes["stages"]:
            yield (
                f"model_options.stages: {sizes['stages']} halvings need images of at least"
                f" {2 ** sizes['stages']} pixels, these have {height}x{width}"
            )
    if model == "vit":
        if height % sizes["patch"] or width % sizes["patch"]:
            yield f"model_options.patch: {sizes['patch']} does not divide {height}x{width} images"
        if sizes["width"] % sizes["heads"]:
            yield f"model_options.width: {sizes['width']} is no multiple of heads"
