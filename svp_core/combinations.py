"""Settings that are fine each but impossible together, refused by name."""

from collections.abc import Iterator

from svp_core import datasets, layouts


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
    available = recipe["train_images"] or facts.train_size
    if not facts.classes <= available <= facts.train_size:
        yield (
            f"recipe.train_images: {available} is not from {facts.classes} classes to"
            f" {facts.train_size} images"
        )
    if recipe["batch_size"] > available:
        yield f"recipe.batch_size: {recipe['batch_size']} exceeds the {available} images"
    yield from updates(options, recipe)
    if recipe["warmup_epochs"] > recipe["epochs"]:
        yield f"recipe.warmup_epochs: {recipe['warmup_epochs']} exceeds epochs {recipe['epochs']}"
    yield from shapes(model, sizes, height, width)
    depth = count_blocks(model, sizes)
    if depth and options.get("blocks", 1) > depth:
        yield f"method_options.blocks: {options['blocks']} exceeds depth {depth}"
    if "projection" in options:
        yield from readings(options, facts.classes)
        if needs_widths(options):
            yield from unequal(options, unit_widths(model, sizes, options, facts.shape), facts)


def updates(options: dict, recipe: dict) -> Iterator[str]:
    """What the parts of a batch rule out."""
    size, parts = recipe["batch_size"], recipe["micro_batches"]
    if size % parts:
        yield f"recipe.micro_batches: {parts} parts of {size} images would not be equal"
    is_in_backward = "activation_checkpointing" in options and options["update"] == "fused"
    if parts > 1 and is_in_backward:
        yield "method_options.update: fused into a backward pass, gradients cannot be accumulated"


def readings(options: dict, classes: int) -> Iterator[str]:
    """What cannot be read, whatever the model."""
    d0, readout = options["d0"], options["readout"]
    if readout == "identity" and d0 not in (None, classes):
        yield (
            f"method_options.d0: {d0} rows cannot be read as {classes} class logits by the readout"
            " identity; leave d0 at null or choose another readout"
        )
    if options["projection"] == "identity":
        if d0 is not None:
            yield f"method_options.d0: {d0} rows, but the projection identity has none; leave null"
        if options["shared"]:
            yield "method_options.shared: the projection identity has no matrix to share"


def needs_widths(options: dict) -> bool:
    is_free = options["projection"] not in ("identity", "orthogonal")
    return not is_free or options["shared"] or options["alignment"] == "feature_kl"


def unit_widths(model: str, sizes: dict, options: dict, shape: tuple[int, ...]) -> list[int]:
    """d_i of every local unit, from the model itself: exact, but it takes torch to build one."""
    import torch

    from svp_core import models

    with torch.device("meta"):
        widths = models.build(model, shape, sizes, seed=0).widths
    size = options["blocks"]
    return [widths[start : start + size][-1] for start in range(0, len(widths), size)]


def unequal(options: dict, widths: list[int], facts) -> Iterator[str]:
    """What asks for other widths d_i than the units have."""
    has_unequal, rows = len(set(widths)) > 1, options["d0"] or facts.classes
    if options["projection"] == "orthogonal" and rows > min(widths):
        yield f"method_options.d0: {rows} rows cannot be orthogonal in a width of {min(widths)}"
    if options["projection"] == "identity":
        if options["readout"] == "identity" and set(widths) != {facts.classes}:
            yield (
                "method_options.readout: identity without a projection needs units of"
                f" {facts.classes} features, these have {widths}"
            )
        if options["readout"] == "shared" and has_unequal:
            yield f"method_options.readout: shared without a projection, but widths are {widths}"
    if options["shared"] and has_unequal:
        yield f"method_options.shared: one projection cannot read units of widths {widths}"
    distance = options["alignment"]
    is_unprojected = distance == "gaussian_kl" and options["projection"] == "identity"
    if has_unequal and (distance == "feature_kl" or is_unprojected):
        yield f"method_options.alignment: {distance} cannot compare units of widths {widths}"


def count_blocks(model: str, sizes: dict) -> int | None:
    """Return the number of blocks, or None where only building the model would tell."""
    if model == "vgg":
        return sum(map(len, layouts.VGG[sizes["layout"]])) + len(sizes["classifier"])
    if model == "resnet":
        return sum(layouts.resnet(sizes["layout"], sizes["depth"]))
    return sizes.get("depth")


def stages(model: str, sizes: dict) -> int:
    """Return how many equal stages the blocks form: depth is a multiple of it."""
    return 4 if model == "resnet" else sizes.get("stages", 1)


def shapes(model: str, sizes: dict, height: int, width: int) -> Iterator[str]:
    """What the model cannot do with an image of this height and width (pixels)."""
    if model == "cnn":
        if sizes["depth"] % stages(model, sizes):
            yield f"model_options.depth: {sizes['depth']} is no multiple of stages"
        if min(height, width) < 2 ** sizes["stages"]:
            yield (
                f"model_options.stages: {sizes['stages']} halvings need images of at least"
                f" {2 ** sizes['stages']} pixels, these have {height}x{width}"
            )
    if model == "vgg":
        halvings = len(layouts.VGG[sizes["layout"]])
        if min(height, width) < 2**halvings:
            yield (
                f"model_options.layout: {sizes['layout']} halves {halvings} times, which needs"
                f" images of at least {2**halvings} pixels, these have {height}x{width}"
            )
    if model == "resnet" and (sizes["depth"] or 4) % stages(model, sizes):
        yield f"model_options.depth: {sizes['depth']} blocks are not four equal stages"
    if model == "vit":
        if height % sizes["patch"] or width % sizes["patch"]:
            yield f"model_options.patch: {sizes['patch']} does not divide {height}x{width} images"
        if sizes["width"] % sizes["heads"]:
            yield f"model_options.width: {sizes['width']} is no multiple of heads"
        if sizes["pool"] == "cls" and not sizes["class_token"]:
            yield "model_options.pool: cls reads a class token; set class_token"
