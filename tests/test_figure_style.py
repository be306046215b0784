"""Names and looks in figures follow rules: a new method, model or variant needs no edit."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from figures import intervals, names, style

KNOWN = ["bp", "svp", "sll", "local_lda", "predsim"]
METHODS = [*KNOWN, "dfa", "unheard_of"]
VARIANTS = ["default", "after", "d0_128", "d0_1024", "d0_512", "fused", "micro_batches_4", "x", "y"]


def table(*series):
    """A table of these series."""
    return pd.DataFrame(series, columns=["method", "variant"])


EVERY = table(*((method, variant) for method in METHODS for variant in VARIANTS))


def test_every_series_of_a_large_table_looks_different():
    looks = style.looks(EVERY)
    assert len(looks) == len(EVERY)
    assert len({(look["color"], look["marker"]) for look in looks.values()}) == len(EVERY)


def test_methods_and_variants_that_nobody_has_heard_of_differ():
    methods = [f"method_{place}" for place in range(7)]
    series = [(name, variant) for name in methods for variant in ("default", "a", "b")]
    looks = style.looks(table(*series))
    assert len({tuple(map(str, look.values())) for look in looks.values()}) == len(series)


def test_thirty_methods_look_different_and_those_of_two_turns_are_not_nearly_black():
    looks = style.looks(table(*((f"method_{place}", "default") for place in range(30))))
    assert len({(str(one["color"]), one["marker"]) for one in looks.values()}) == 30
    two_turns = list(looks.values())[: 2 * len(style.OTHER_COLOURS)]
    assert min(max(to_rgb(one["color"])) for one in two_turns) > 0.25


def test_a_series_looks_the_same_in_all_figures_of_a_table():
    for series, look in style.looks(EVERY).items():
        assert style.looks(EVERY, table(series)) == {series: look}


def test_a_new_variant_recolours_no_method():
    defaults = table(*((method, "default") for method in METHODS))
    assert style.looks(defaults) == style.looks(EVERY, defaults)


def test_a_variant_has_one_marker_with_every_known_method():
    looks = style.looks(EVERY)
    for variant in VARIANTS[1:]:
        assert len({looks[method, variant]["marker"] for method in KNOWN}) == 1


def test_a_known_method_has_its_place_and_its_look_whoever_else_is_there():
    assert names.ordered(reversed(METHODS)) == METHODS
    assert list(style.COLOURS) == list(style.MARKERS) == list(style.DASHES) == KNOWN
    assert not set(style.COLOURS.values()) & set(style.OTHER_COLOURS)
    looks = style.looks(EVERY)
    for look in ("color", "marker", "linestyle"):
        assert len({str(looks[method, "default"][look]) for method in KNOWN}) == len(KNOWN)
    for method in KNOWN:
        series = method, "default"
        assert style.looks(table(series)) == {series: looks[series]}


def test_series_come_by_method_then_default_then_variants_with_numbers_by_size():
    given = [("bp", "default"), ("bp", "after"), ("svp", "default"), ("svp", "beta_2"),
             ("svp", "beta_10"), ("dfa", "default")]  # fmt: skip
    assert names.all_series(table(*reversed(given))) == given


def test_the_default_variant_is_not_named():
    assert names.series_label(("svp", "default")) == "SVP"
    assert names.series_label(("svp", "beta_0")) == "SVP, beta 0"


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("fashion_mnist", "Fashion-MNIST"),
        ("cifar100", "CIFAR-100"),
        ("resnet18", "ResNet-18"),
        ("vgg8b", "VGG-8b"),
        ("vit_s", "ViT S"),
        ("mlp_1000", "MLP 1000"),
        ("sgd_bp", "SGD BP"),
        ("dfa", "DFA"),
        ("local_lda", "Local LDA"),
        ("predsim", "predsim"),
        ("unheard_of", "unheard of"),
    ],
)
def test_labels_follow_a_rule(name, label):
    assert names.label(name) == label


def test_models_come_in_a_known_order_and_new_ones_last():
    models = ["unheard_of", "vit_b", "resnet50", "resnet18", "mlp"]
    assert names.ordered(models) == ["mlp", "resnet18", "resnet50", "vit_b", "unheard_of"]


def test_no_interval_squashes_the_seeds_and_no_axis_ends_at_a_point():
    values, cells = pd.Series([80.0, 90.0, 85.0]), [pd.Series(["a", "a", "b"])]
    low, high = intervals.limits(values, cells)  # the interval of a is 85 +- 64
    assert 70 < low < 80 and 90 < high < 100
    assert intervals.limits(pd.Series([None], dtype=float), cells) == (0, 100)


@pytest.mark.parametrize(("limits", "arrows"), [((0, 200), 0), ((80, 200), 1), ((80, 90), 2)])
def test_an_arrowhead_marks_each_end_that_is_cut(limits, arrows):
    _, axes = plt.subplots()
    axes.set_ylim(*limits)
    look = {"color": "black", "marker": "o"}
    x, y = pd.Series([0.0, 0.0]), pd.Series([84.0, 86.0])  # an interval of 85 +- 13
    assert intervals.draw(axes, x, y, look, 1) == bool(arrows)
    tips = [line for line in axes.lines if isinstance(line.get_marker(), int)]
    assert [float(line.get_ydata()[0]) for line in tips] == list(limits)[:arrows]
    plt.close()


@pytest.mark.parametrize(
    ("asked", "width", "columns"),
    [("fitted", style.PAGE, 3), ("one_column", style.COLUMN, 1), ("two_columns", style.PAGE, 3)],
)
def test_figures_have_the_width_that_is_asked_for(asked, width, columns, monkeypatch):
    monkeypatch.setitem(style.chosen, "width", style.WIDTHS[asked])
    figure, axes = style.panels(["a", "b", "c"], 3, (style.PAGE, 1.5))
    assert figure.get_figwidth() == width
    assert axes[0].get_subplotspec().get_gridspec().ncols == columns
    narrow, _ = style.panels(["a"], 1, (style.COLUMN, 1.5))
    assert narrow.get_figwidth() == (width if asked != "fitted" else style.COLUMN)
    plt.close("all")
