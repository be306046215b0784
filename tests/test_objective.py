"""Every option of the objective against its formula: divergences, projections, readouts."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import losses_of_step
from torch.distributions import Categorical, Normal, kl_divergence

from svp_core import local
from svp_core.config import options, resolve
from svp_core.local.unit import Reading
from svp_core.task import Task
from svp_core.training.run import build_method

ALIGNMENTS = [name for name in options.names("local/alignments") if name != "none"]
PROJECTIONS = [name for name in options.names("local/projections") if name != "identity"]

LOGITS = st.lists(st.floats(-50, 50), min_size=2, max_size=12)
CATEGORICAL = ["kl", "bhattacharyya"]
GAUSSIAN = {"gaussian_kl": "projected", "feature_kl": "features"}


def reading(values: torch.Tensor) -> Reading:
    """One tensor as features, projection and logits alike."""
    return Reading(values, values, values)


def divergence(name: str, one, other, std: float = 1.0) -> torch.Tensor:
    return compare(name, reading(one), reading(other), std)


def compare(name: str, one: Reading, other: Reading, std: float = 1.0) -> torch.Tensor:
    given = {"alignment": name} | ({"alignment_std": std} if name in GAUSSIAN else {})
    settings = options.fill("methods", "svp", given)
    return local.load("alignments", name).divergence(one, other, settings)


def draw(law: str, rows: int, columns: int, scale: float, seed: int) -> torch.Tensor:
    """tau R of the named law."""
    generator = torch.Generator().manual_seed(seed)
    return scale * local.load("projections", law).draw(rows, columns, generator)


def pair(seed: int = 0, classes: int = 10) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, 6, classes, generator=generator, dtype=torch.float64).unbind()


@pytest.mark.parametrize("name", GAUSSIAN)
def test_gaussian_alignments_are_the_kl_of_two_gaussians(name):
    one, other = pair()
    expected = kl_divergence(Normal(one, 1.3), Normal(other, 1.3)).sum(dim=1).mean()
    torch.testing.assert_close(divergence(name, one, other, 1.3), expected)


@pytest.mark.parametrize(("name", "field"), GAUSSIAN.items())
def test_gaussian_alignments_read_their_own_field(name, field):
    one, other = pair()
    zeros = reading(torch.zeros_like(one))
    assert compare(name, zeros._replace(**{field: one}), zeros) > 0
    others = {name: one for name in Reading._fields if name != field}
    assert compare(name, zeros._replace(**others), zeros) == 0


def test_kl_is_that_of_the_categorical_posteriors():
    one, other = pair()
    expected = kl_divergence(Categorical(logits=one), Categorical(logits=other)).mean()
    torch.testing.assert_close(divergence("kl", one, other), expected)


def test_bhattacharyya_is_its_formula():
    one, other = pair()
    expected = -(one.softmax(dim=1) * other.softmax(dim=1)).sqrt().sum(dim=1).log().mean()
    torch.testing.assert_close(divergence("bhattacharyya", one, other), expected)


@given(st.integers(2, 12), st.integers(0, 2**31), st.floats(0.1, 30))
@settings(deadline=None)
def test_kl_is_at_least_twice_the_bhattacharyya_distance(classes, seed, spread):
    one, other = (spread * values for values in pair(seed, classes))
    assert divergence("kl", one, other) >= 2 * divergence("bhattacharyya", one, other) - 1e-9


@given(LOGITS, st.integers(0, 2**31))
@settings(deadline=None)
def test_bhattacharyya_is_a_symmetric_distance_that_is_zero_for_equals(logits, seed):
    one = torch.tensor([logits], dtype=torch.float64)
    other = one + torch.randn(one.shape, generator=torch.Generator().manual_seed(seed))
    distance = divergence("bhattacharyya", one, other)
    assert distance >= -1e-12
    torch.testing.assert_close(distance, divergence("bhattacharyya", other, one))
    assert divergence("bhattacharyya", one, one + 3).abs() < 1e-9  # equal posteriors


@pytest.mark.parametrize("name", [one for one in ALIGNMENTS if one != "reconstruction"])
def test_extreme_logits_give_finite_values_and_gradients(name):
    one = torch.tensor([[1e4, -1e4, 0.0], [0.0, 0.0, 1e4]], requires_grad=True)
    value = divergence(name, one, torch.tensor([[-1e4, 1e4, 0.0], [1e4, 0.0, -1e4]]))
    value.backward()
    assert value.isfinite() and value > 0
    assert one.grad.isfinite().all()


@pytest.mark.parametrize("law", PROJECTIONS)
def test_entries_have_mean_zero_and_variance_one_over_the_width(law):
    matrices = torch.stack([draw(law, 8, 50, 1.0, seed) for seed in range(400)])
    assert matrices.mean().abs() < 3 * (1 / 50 / matrices.numel()) ** 0.5
    assert matrices.square().mean() == pytest.approx(1 / 50, rel=0.02)


@pytest.mark.parametrize("law", PROJECTIONS)
def test_norms_are_preserved_in_expectation(law):
    point = torch.linspace(-1, 2, 50)
    squares = [(draw(law, 8, 50, 3.0, seed) @ point).square().sum() for seed in range(2000)]
    expected = 3.0**2 * 8 / 50 * point.square().sum().item()
    assert torch.stack(squares).mean() == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("law", PROJECTIONS)
def test_distances_obey_the_johnson_lindenstrauss_bound(law):
    rows, columns, points, distortion = 400, 2000, 12, 0.5
    # the lemma asks for 4 ln(n) / (e^2/2 - e^3/3) rows
    needed = 4 * torch.tensor(points).log() / (distortion**2 / 2 - distortion**3 / 3)
    assert rows > needed
    cloud = torch.randn(points, columns, generator=torch.Generator().manual_seed(0))
    image = cloud @ draw(law, rows, columns, (columns / rows) ** 0.5, seed=1).T
    ratio = torch.pdist(image).square() / torch.pdist(cloud).square()
    assert ratio.min() > 1 - distortion and ratio.max() < 1 + distortion


@pytest.mark.parametrize("law", PROJECTIONS)
def test_a_matrix_depends_on_its_seed_alone(law):
    torch.manual_seed(1)
    one = draw(law, 5, 20, 1.0, seed=3)
    torch.manual_seed(2)
    assert torch.equal(one, draw(law, 5, 20, 1.0, seed=3))
    assert not torch.equal(one, draw(law, 5, 20, 1.0, seed=4))


def test_orthogonal_rows_are_orthonormal():
    matrix = draw("orthogonal", 7, 30, 1.0, seed=0)
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(7), atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match="31 rows of 30 columns"):
        draw("orthogonal", 31, 30, 1.0, seed=0)


def test_sparse_and_rademacher_entries_take_their_values_only():
    sparse = draw("sparse", 100, 300, 1.0, seed=0)
    assert sparse.unique().tolist() == pytest.approx([-0.1, 0.0, 0.1])
    assert (sparse == 0).float().mean() == pytest.approx(2 / 3, abs=0.02)
    assert draw("rademacher", 10, 25, 1.0, seed=0).unique().tolist() == pytest.approx([-0.2, 0.2])


def build(depth: int = 3, width: int = 16, **method_options):
    run = {"dataset": "digits", "model": "mlp", "method": "svp", "seed": 0}
    run["recipe"] = {"lr": 0.01}
    sizes = {"depth": depth, "width": width}
    config = resolve(run | {"model_options": sizes, "method_options": method_options})
    return build_method(config, torch.device("cpu"))


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(8, 1, 8, 8, generator=generator), torch.arange(8)


def trained(steps: int = 3, **options) -> tuple[list, dict]:
    """Losses and state after some steps with the same noise."""
    torch.manual_seed(0)
    method = build(**options)
    losses = [losses_of_step(method, *batch()) for _ in range(steps)]
    return losses, method.state_dict()


READOUTS = ["codebook", "private", "shared"]


@pytest.mark.parametrize("readout", ["identity", *READOUTS])
@pytest.mark.parametrize("alignment", ["none", *ALIGNMENTS])
def test_both_schedules_give_identical_numbers(readout, alignment):
    options = {"readout": readout, "alignment": alignment, "dropout": 0.2, "noise": 0.1}
    options |= {} if readout == "identity" else {"d0": 12}
    fused, after = (trained(update=schedule, **options) for schedule in ("fused", "after"))
    assert all(map(torch.equal, fused[0], after[0]))
    assert all(torch.equal(fused[1][key], after[1][key]) for key in after[1])


def test_the_fused_schedule_holds_one_units_gradients_and_the_other_all():
    from svp_core.cost.memory import measure_step

    sizes = {"depth": 8, "width": 64}
    fused, after = (build(**sizes, update=schedule) for schedule in ("fused", "after"))
    units = [sum(p.nbytes for p in unit.parameters()) for unit in fused.units]
    assert measure_step(fused, *batch())["gradients"] <= max(units)
    assert measure_step(after, *batch())["gradients"] == sum(units)


@pytest.mark.parametrize("readout", READOUTS)
def test_readouts_take_any_width_and_give_class_logits(readout):
    method = build(readout=readout, d0=12)
    predictions = method.predict(batch()[0]).units
    assert [one.shape for one in predictions] == [(8, 10)] * 3
    for one in predictions:
        torch.testing.assert_close(one.logsumexp(dim=1), torch.zeros(8))


def test_codes_have_unit_norm_are_fixed_and_shared():
    codebook = local.load("readouts", "codebook")
    one, other = codebook.build([12, 12], Task((1, 8, 8), 10, 1257), None, seed=0)
    torch.testing.assert_close(one.codes.norm(dim=1), torch.ones(10))
    assert torch.equal(one.codes, other.codes)
    assert not list(one.parameters())


def test_private_readouts_differ_and_are_trained():
    method = build(readout="private", d0=12)
    before = [head.weight.detach().clone() for head in method.readouts]
    assert not torch.equal(before[0], before[1])
    method.step(*batch())
    assert not any(map(torch.equal, before, (head.weight for head in method.readouts)))


def test_a_shared_readout_sums_the_gradients_of_all_units():
    method = build(readout="shared", d0=12, alignment="none", update="after")
    images, labels = batch()
    expected = 0
    for index in range(3):
        hidden = images
        with torch.no_grad():
            for unit in method.units[:index]:
                hidden = unit(hidden)[0]
        _, reading = method.read(index, hidden)
        loss = method.local_loss(reading, None, labels)
        (gradient,) = torch.autograd.grad(loss, [method.readouts[0].weight])
        expected = expected + gradient
    method.optimizers[-1].step = lambda: seen.append(method.readouts[0].weight.grad.clone())
    seen = []
    method.step(images, labels)
    torch.testing.assert_close(seen[0], expected)


def test_one_projection_for_all_units_if_shared():
    shared = build(shared=True)
    assert all(torch.equal(unit.projection, shared.units[0].projection) for unit in shared.units)
    private = build()
    assert not torch.equal(private.units[0].projection, private.units[1].projection)


def test_without_a_projection_the_readout_sees_the_features():
    method = build(projection="identity", readout="private", scale=2.0)
    hidden, features, projected = method.units[0](batch()[0])
    assert torch.equal(projected, 2 * features) and torch.equal(features, hidden)
    assert method.units[0].projection is None


def test_dropout_and_noise_disturb_training_only():
    quiet, disturbed = build(), build(dropout=0.5, noise=1.0)
    images, _ = batch()
    assert not torch.equal(quiet.predict(images).network, disturbed.predict(images).network)
    quiet.eval(), disturbed.eval()
    assert all(map(torch.equal, quiet.predict(images).units, disturbed.predict(images).units))


def test_dropout_drops_features_of_the_reading_not_of_the_next_unit():
    unit = build(dropout=0.5).units[0]
    hidden, features, _ = unit(batch()[0])
    assert torch.equal(hidden, features)


def test_inference_by_the_mean_averages_log_posteriors():
    last, mean = build(), build(inference="mean")
    found, averaged = (one.predict(batch()[0]) for one in (last, mean))
    assert torch.equal(found.network, found.units[-1])
    average = sum(one.exp().log() for one in averaged.units) / 3
    torch.testing.assert_close(averaged.network.exp(), average.softmax(dim=1))
    torch.testing.assert_close(averaged.network.exp().sum(dim=1), torch.ones(8))
    assert torch.equal(averaged.rules["last"], averaged.units[-1])  # known as well
    assert torch.equal(found.rules["mean"], averaged.network)


@pytest.mark.parametrize("method", ["bp", "svp"])
def test_bfloat16_trains_with_losses_and_weights_in_float32(method):
    run = {"dataset": "digits", "model": "cnn", "method": method, "seed": 0}
    plain, mixed = (
        build_method(
            resolve(run | {"recipe": {"precision": p, "channels_last": p == "bfloat16"}}),
            torch.device("cpu"),
        )
        for p in ("float32", "bfloat16")
    )
    images, labels = batch()
    losses = [losses_of_step(method, images, labels) for method in (plain, mixed)]
    assert losses[1].dtype == torch.float32 and not torch.equal(*losses)
    torch.testing.assert_close(*losses, rtol=0.1, atol=0.1)
    assert all(parameter.dtype == torch.float32 for parameter in mixed.parameters())
    assert mixed.predict(images).network.dtype == torch.float32
