"""Backpropagation that keeps samples of activations: unbiased, of less variance, of less memory."""

import pytest
import torch
from networks import batch, build, build_method, saved
from test_interruption import interrupt
from test_training import run, without_times

from svp_core.config import resolve
from svp_core.config.pairs import ConfigError
from svp_core.cost import cells, simulate
from svp_core.cost.memory import measure_step
from svp_core.methods.bp import BP
from svp_core.sampling import rows
from svp_core.sampling.layers import SampledLinear

SHAPE = (1, 8, 8)
SIZES = {"mlp": {"depth": 3, "width": 16}, "vit": {"depth": 2, "width": 16, "patch": 4}}
SPREAD = torch.tensor([8.0, 4.0, 1.0, 1.0, 0.5, 0.25])


def estimates(rule: str, kept: int, draws: int = 4000) -> torch.Tensor:
    """How much every term counts, by draw (draws, N)."""
    torch.manual_seed(0)
    found = torch.zeros(draws, len(SPREAD), dtype=torch.float64)
    for one in found:
        one.index_add_(0, *rows.choose(SPREAD, kept, rule))
    return found


@pytest.mark.parametrize("rule", ["wta_crs", "crs"])
@pytest.mark.parametrize("kept", [1, 3, 4])
def test_every_term_counts_once_on_average(rule, kept):
    found = estimates(rule, kept)
    error = found.std(dim=0) / len(found) ** 0.5
    assert ((found.mean(dim=0) - 1).abs() <= 4.5 * error + 1e-6).all()


def test_the_largest_terms_are_kept_as_they_are_up_to_the_best_number_of_them():
    shares = SPREAD / SPREAD.sum()
    kept = 3
    bounds = [(1 - shares[:c].sum()) ** 2 / (kept - c) for c in range(kept)]
    certain = min(range(kept), key=bounds.__getitem__)
    assert certain == 2
    found = estimates("wta_crs", kept)
    assert (found[:, :certain] == 1).all()
    # the others: k - c draws with probability p_j / (1 - P_c), each worth (1 - P_c) / ((k - c) p_j)
    rest = shares[certain:] / shares[certain:].sum()
    expected = (1 - rest) / rest / (kept - certain)
    assert found[:, certain:].var(dim=0).tolist() == pytest.approx(expected.tolist(), rel=0.25)


@pytest.mark.parametrize("kept", [2, 3, 4, 5])
def test_the_variance_is_no_more_than_that_of_a_sample_of_all(kept):
    terms = SPREAD.double() * torch.tensor([1, -1, 1, 1, -1, 1.0])  # |term| in proportion to p
    spread = {rule: (estimates(rule, kept) @ terms).var() for rule in ("wta_crs", "crs")}
    assert spread["wta_crs"] < 0.8 * spread["crs"]


def test_the_largest_alone_are_biased_and_draw_nothing():
    found = estimates("top_k", 3, draws=5)
    assert (found == torch.tensor([1, 1, 1, 0, 0, 0])).all()


def on(model: str, **options):
    settings = {"method_options": options, "image_shape": SHAPE, "lr": 0.05, "momentum": 0.0}
    return build_method(build(model, SHAPE, **SIZES[model]), **settings).double()


def gradients(method, seed: int = 0) -> dict[str, torch.Tensor]:
    """What a loss gives every parameter, by its name."""
    images, labels = batch(SHAPE)
    torch.manual_seed(seed)
    method.zero_grad()
    method.places = torch.arange(len(images))
    method.part(images.double(), labels, method.places)
    return {name: one.grad.clone() for name, one in method.named_parameters()}


@pytest.mark.parametrize("model", SIZES)
@pytest.mark.parametrize("rule", ["wta_crs", "top_k"])
def test_where_all_rows_are_kept_it_is_backpropagation(model, rule):
    exact, sampled = gradients(on(model)), gradients(on(model, activations=rule))
    for name, gradient in exact.items():
        torch.testing.assert_close(sampled[name], gradient, msg=name)


@pytest.mark.parametrize("model", SIZES)
def test_gradients_of_weights_are_right_on_average_and_all_others_exactly(model):
    exact, sampled = gradients(on(model)), on(model, activations="wta_crs", keep=0.4)
    gradients(sampled)  # from now on the norms of all images are known
    draws = [gradients(sampled, seed) for seed in range(1, 301)]
    layers = {f"blocks.{name}" for name, one in sampled.blocks.named_modules()
              if isinstance(one, SampledLinear)}  # fmt: skip
    noisy = 0
    for name, gradient in exact.items():
        found = torch.stack([one[name] for one in draws])
        if name.removesuffix(".weight") not in layers or name == "blocks.0.1.weight":
            torch.testing.assert_close(found[-1], gradient, msg=name)
            continue
        noisy += 1
        error = found.std(dim=0).norm() / len(draws) ** 0.5
        assert 0 < (found.mean(dim=0) - gradient).norm() < 1.5 * error, name
    assert noisy == {"mlp": 2, "vit": 8}[model]


def test_norms_of_gradients_are_those_of_the_images_in_the_epoch_before():
    method = on("mlp", activations="wta_crs", keep=0.5)
    images, labels = batch(SHAPE)
    method.places = torch.tensor([7, 3, 900, 1, 0, 5, 2, 9])
    method.step(images.double(), labels)
    layer = method.blocks[1][0]
    assert layer.norms.nonzero().flatten().tolist() == sorted(method.places.tolist())
    other = on("mlp")
    before = other.blocks[1][0]
    found = []
    before.register_full_backward_hook(lambda _, inner, outer: found.append(outer[0]))
    other.step(images.double(), labels)
    expected = found[0].norm(dim=1)
    torch.testing.assert_close(layer.norms[method.places], expected, rtol=1e-5, atol=1e-9)


def test_images_not_seen_yet_are_drawn_like_the_mean_of_the_others():
    layer = on("mlp", activations="crs", keep=0.5).blocks[1][0]
    layer.norms[:3] = torch.tensor([1.0, 3.0, 8.0])
    layer.sampling.images = torch.tensor([0, 1, 2, 50])
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "choose", lambda sizes, *_: found.append(sizes))
        layer.choose(torch.ones(4, 16))
        layer.sampling.images = torch.tensor([60, 61])
        layer.choose(torch.ones(2, 16))
    assert found[0].tolist() == pytest.approx([4, 12, 32, 16]) and found[1].tolist() == [4, 4]


def test_what_is_predicted_is_exact_and_draws_nothing():
    exact, sampled = on("vit"), on("vit", activations="wta_crs", keep=0.1)
    images, _ = batch(SHAPE)
    state = torch.get_rng_state()
    for method in (exact, sampled):
        method.eval()
    found = [one.predict(images.double()).network for one in (exact, sampled)]
    torch.testing.assert_close(*found)
    assert torch.equal(state, torch.get_rng_state())


def saved_bytes(model: str, size: int, **options) -> int:
    """Activations that a step of a deep network saves, as a cost sweep simulates them."""
    sizes = {"mlp": {"width": 64}, "vit": {"width": 64, "patch": 4}}[model]
    config = {"name": model, "model": model, "model_options": sizes, "batch": size}
    series = [{"method": "bp", "method_options": options}]
    config |= {"channels": 1, "image_size": 8, "series": series, "sweeps": [{"depth": [9, 10]}]}
    least, most = cells.resolved(cells.resolve(config))
    found = [{row["quantity"]: row["value"] for row in simulate.simulate(c)} for c in (least, most)]
    return found[1]["activations"] - found[0]["activations"]


@pytest.mark.parametrize(("keep", "kept"), [(0.1, 10), (0.3, 30), (1.0, 100)])
def test_a_block_keeps_so_many_rows_places_and_a_mask(keep, kept):
    found = saved_bytes("mlp", 100, activations="wta_crs", keep=keep)
    assert found == kept * (64 * 4 + 8) + 100 * 64
    assert saved_bytes("mlp", 100) == 100 * 64 * 4


def test_a_transformer_keeps_rows_of_the_inputs_of_its_dense_layers():
    rows_of = 4 * 50  # tokens
    sampled = [64, 64, 4 * 64]  # of qkv, and both of the dense part
    out = [64]  # whose input the attention keeps in any case
    most, least = saved_bytes("vit", 50), saved_bytes("vit", 50, activations="wta_crs", keep=0.1)
    kept = 20 * sum(4 * width + 8 for width in sampled + out)
    assert most - least == 4 * rows_of * sum(sampled) - kept


def test_a_real_step_takes_the_memory_that_is_simulated():
    cell = {"name": "vit", "model": "vit", "model_options": SIZES["vit"], "batch": 8}
    series = {"method": "bp", "method_options": {"activations": "wta_crs", "keep": 0.25}}
    cell |= {"channels": 1, "image_size": 8, "series": [series], "sweeps": [{}]}
    (cell,) = cells.resolved(cells.resolve(cell))
    found = {row["quantity"]: row["value"] for row in simulate.simulate(cell)}
    sizes = measure_step(simulate.build(cell), *simulate.random_batch(cell))
    assert sizes == {kind: found[kind] for kind in sizes}


def test_parts_of_a_batch_know_their_images():
    images, labels = batch(SHAPE)
    found = []
    for parts in (1, 4):
        method = build_method(
            build("mlp", SHAPE, **SIZES["mlp"]),
            method_options={"activations": "top_k"},
            image_shape=SHAPE,
            micro_batches=parts,
        )
        method.places = torch.arange(8) + 3
        method.step(images, labels)
        norms = method.blocks[2][0].norms
        assert norms.nonzero().flatten().tolist() == list(range(3, 11))
        found.append(norms)
    torch.testing.assert_close(*found)


def test_it_is_saved_and_resumed_to_the_last_bit(tmp_path):
    settings = ["dataset=digits", "model=mlp", "method=bp", "seed=3", "recipe.epochs=3"]
    settings += ["model_options.width=16", "model_options.depth=2", "recipe.train_images=256"]
    settings += ["method_options.activations=wta_crs", "method_options.keep=0.2"]
    whole = run(tmp_path, settings, "whole")
    (tmp_path / "left").mkdir()
    interrupt(
        tmp_path / "left", settings, 6, kind=BP
    )  # in the second epoch, whose draws follow the first
    assert (
        without_times(run(tmp_path / "left", settings))["curves"]
        == (without_times(whole)["curves"])
    )


def test_its_state_holds_the_norms():
    method = on("mlp", activations="wta_crs", keep=0.5)
    gradients(method)
    state = saved(method)["modules"]
    assert torch.equal(state["blocks.1.0.norms"], method.blocks[1][0].norms)


@pytest.mark.parametrize(
    ("model", "method", "sizes", "options", "message"),
    [
        ("cnn", "bp", {}, {"activations": "wta_crs"}, "sampled of mlp and vit alone, not of cnn"),
        ("mlp", "fa", {}, {"activations": "crs"}, "sampled of bp on mlp and vit alone"),
        ("mlp", "bp", {"activation": "tanh"}, {"activations": "crs"}, "tanh keeps its whole"),
        ("mlp", "bp", {}, {"keep": 0.5}, "method_options.keep: of activations all"),
        ("mlp", "bp", {}, {"activations": "crs", "keep": 0.0}, "method_options.keep: 0.0"),
        ("mlp", "bp", {}, {"activations": "crs", "keep": 1.5}, "method_options.keep: 1.5"),
        (
            "vit",
            "bp",
            {},
            {"activations": "top_k", "activation_checkpointing": "blocks"},
            "activations: with checkpointing",
        ),
    ],
)
def test_where_it_means_nothing_it_is_refused(model, method, sizes, options, message):
    run = {"dataset": "digits", "model": model, "method": method, "seed": 0}
    with pytest.raises(ConfigError, match=message):
        resolve(run | {"model_options": sizes, "method_options": options})
