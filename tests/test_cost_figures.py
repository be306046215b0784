"""Figures of cost show the sweeps of the table, relate to its baseline, and refuse two devices."""

import re

import pandas as pd
import pytest
from builders import cost_rows, times
from made_costs import (
    CODEBOOK,
    COST,
    ELSEWHERE,
    SERIES,
    SVP,
    WIDTHS,
    cost_table,
    lines,
    measured,
    projected,
    texts,
)

from figures import memory, pareto, projection, scaling, style
from svp_core import tables
from svp_core.tables import sweeps


def test_sweep_leaves_out_other_sweeps_and_trainings():
    rows = [
        *(row for depth in (2, 4, 8) for row in cost_rows(depth=depth)),
        *(row for width in (100, 200) for row in cost_rows(width=width)),
        *(row for depth in (2, 4) for row in cost_rows(depth=depth, batch=7)),
        *(row for d0 in (1, 2, 3) for row in cost_rows(series=CODEBOOK, depth=4, d0=d0)),
        *(
            row
            for d0 in (5, 6)
            for depth in (2, 4)
            for row in cost_rows(series=SVP, depth=depth, d0=d0)
        ),
        {**cost_rows(depth=16)[0], "quantity": "total", "dataset": "mnist"},
    ]
    cost = cost_table([row for row in rows if row["quantity"] == "total"])
    found = sweeps.sweep(sweeps.of_steps(cost, "total"), "depth")["mlp"]
    assert sorted(found["depth"]) == [2, 4, 8]
    assert set(found["batch"]) == {64}
    assert set(found["method"]) == {"bp"}
    assert not sweeps.sweep(sweeps.of_steps(cost, "total"), "depth", least=4)


def test_memory_bars_and_lines_are_those_of_the_table():
    cost = cost_table([*COST, *cost_rows(depth=99, batch=1), *cost_rows("vit", depth=3)])
    bars, total, saved = memory.draw(cost).get_axes()
    widths = [patch.get_width() * style.MIB for patch in bars.patches]
    ends = [patch.get_x() + patch.get_width() for patch in bars.patches]
    kinds = len(sweeps.KINDS)
    for place, (method, variant) in enumerate(SERIES):
        size = {"method": method, "variant": variant, "model": "mlp", "batch": 64}
        rows = style.pick(cost, depth=8, **size).drop_duplicates("quantity").set_index("quantity")
        assert widths[kinds * place :][:kinds] == pytest.approx(
            [rows["value"][kind] for kind in sweeps.KINDS]
        )
        assert ends[kinds * place + kinds - 1] * style.MIB == pytest.approx(rows["value"]["total"])
    drawn = lines(saved, style.looks(cost)["bp", "default"])
    assert drawn == [[(depth, 64 * 100 * depth / style.MIB) for depth in (2, 4, 8)]]
    assert len(total.lines) == 2  # the headlines, BP and SVP


def test_memory_draws_all_curves_of_a_model_without_headlines():
    rows = [
        row
        for depth in (2, 4)
        for one in SERIES
        for row in cost_rows(series=one, depth=depth, headlines=())
    ]
    _, total, _ = memory.draw(cost_table(rows)).get_axes()
    assert len(total.lines) == len(SERIES)


def test_memory_bars_are_of_the_largest_depth_that_most_series_have():
    cost = cost_table([*COST, *cost_rows(depth=1000)])
    assert memory.draw(cost).get_axes()[0].get_title() == "MLP, depth 8"


def test_pareto_draws_time_against_memory_and_its_front():
    cost = cost_table([*measured(), *measured(batch=7, series=SERIES[:3])])
    (axes,) = pareto.draw(cost).get_axes()
    x, y = (100 / 3 / style.MIB, 3)
    assert lines(axes, style.looks(cost)[SERIES[2]]) == [[(pytest.approx(x), y)]]
    front = pareto.front(pd.DataFrame({"memory": [3, 1, 2, 2], "step_time_ratio": [1, 3, 4, 2]}))
    assert list(front.index) == [1, 3, 0]


def test_pareto_prefers_allocated_memory_and_leaves_out_a_sweep_of_d0():
    rows = measured(device="GPU")
    for one in SERIES:
        rows += cost_rows("mlp", one, {"allocated": 2**20, "reserved": 1}, "GPU", depth=4)
    for d0 in (1, 2, 3):
        rows += cost_rows("mlp", CODEBOOK, times(1) | {"allocated": 1}, "GPU", depth=4, d0=d0)
    figure = pareto.draw(cost_table(rows))
    medians = [line.get_xydata()[0] for line in figure.axes[0].lines if len(line.get_xdata()) == 1]
    assert [x for x, _ in medians] == [1.0] * len(SERIES)
    assert "allocated by CUDA" in texts(figure)


def test_any_method_may_be_the_baseline():
    methods = {"bp": "sgd_bp", "svp": "dfa"}
    rows = [
        row | {"method": methods[row["method"]], "baseline": "sgd_bp"}
        for row in [*projected(), *measured(batch=32)]
    ]
    cost = cost_table(rows)
    assert "that of SGD BP" in texts(pareto.draw(cost))
    written = texts(projection.draw(cost))
    assert "FLOPs / those of SGD BP" in written and "d0 = 150" in written


def test_projection_prints_where_the_curves_break_even():
    cost = cost_table(projected())
    left, right = projection.draw(cost).get_axes()
    look = style.looks(cost)[CODEBOOK]
    assert lines(left, look) == [[(0, 0.7), (100, 0.9), (200, 1.1)]]
    assert lines(right, look) == [[(0, 0.75), (100, 1.75), (200, 2.0)]]
    assert [text.get_text() for text in left.texts] == ["d0 = 150"]
    assert [text.get_text() for text in right.texts] == ["d0 = 25"]
    assert left.get_xlim() == right.get_xlim()


def test_break_even_on_a_point_is_found_once():
    assert projection.break_evens(pd.Series({1: 0.5, 2: 1.0, 4: 3.0})) == [2.0]


def test_scaling_prints_slopes_of_the_sweep_alone():
    rows = [*WIDTHS, *(row for width in (50, 800) for row in cost_rows(width=width, depth=2))]
    rows += [
        row for width in (1, 2, 4) for row in cost_rows(series=SERIES[2], width=width, depth=3)
    ]
    figure = scaling.draw(cost_table(rows))
    _, flops = figure.axes  # memory above; no panel of what was not swept
    assert list(flops.lines[0].get_xdata()) == [100, 200, 400]
    counted = [6.0 * 64 * 3 * width**2 for width in (100, 200, 400)]
    assert flops.lines[0].get_ydata() * 1e9 == pytest.approx(counted)
    assert len(flops.lines) == 1
    assert [text.get_text() for text in flops.texts] == ["2.00"]
    assert "depth 3" in texts(figure).replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    "script, rows",
    [
        (pareto, [*measured(), *measured(device="GPU", batch=7)]),
        (projection, [*projected(), *ELSEWHERE]),
        (
            scaling,
            [
                row
                for batch, device in ((1, "CPU"), (2, "CPU"), (4, "GPU"))
                for row in cost_rows(values=times(1), device=device, batch=batch)
            ],
        ),
    ],
)  # fmt: skip
def test_two_devices_in_a_figure_are_refused(script, rows):
    with pytest.raises(tables.TableError, match="CPU and GPU"):
        script.draw(cost_table(rows))


@pytest.mark.parametrize("script", [memory, pareto, projection, scaling])
def test_figure_without_a_sweep_says_why(script):
    figure = script.draw(cost_table([*cost_rows(), *cost_rows(width=3), *cost_rows(batch=2)]))
    assert [axes.lines[:] for axes in figure.axes] == [[]]
    assert figure.get_figheight() < 1
    assert re.search("No (model|sweep)", texts(figure))
