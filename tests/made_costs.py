"""Costs of made-up training steps, for tests of figures, and how to read what those draw."""

from builders import cost_rows, times

from svp_core import tables

SVP, CODEBOOK = ("svp", "default"), ("svp", "codebook")
SERIES = [("bp", "default"), ("bp", "checkpoint_blocks"), ("bp", "fused"), SVP]
COST = [
    row for series in SERIES for depth in (2, 4, 8) for row in cost_rows(series=series, depth=depth)
]


def measured(depth=4, device="CPU", series=None, **sizes):
    """Times of each series, each of its place, and the memory they need."""
    return [
        row
        for place, one in enumerate(SERIES if series is None else series, start=1)
        for values, where in ((times(place), device), ({"total": 100 / place}, None))
        for row in cost_rows("mlp", one, values, where, depth=depth, **sizes)
    ]


def projected():
    """A sweep of d0 that breaks even at 150 in FLOPs, at 25 in time, beside other sizes."""
    size = {"width": 300}
    rows = [*cost_rows(values={"flops": 1000}, **size), *cost_rows(values={"flops": 1}, depth=7)]
    rows += cost_rows(values=times(1), device="CPU", **size)
    for d0, flops, ratio in ((0, 700, 0.75), (100, 900, 1.75), (200, 1100, 2.0)):
        rows += cost_rows(series=CODEBOOK, values={"flops": flops}, d0=d0, **size)
        rows += cost_rows(series=CODEBOOK, values=times(ratio), device="CPU", d0=d0, **size)
    return [*rows, *cost_rows(series=("svp", "d0_512"), values={"flops": 9}, d0=512, **size)]


WIDTHS = [row for width in (100, 200, 400) for row in cost_rows(width=width, depth=3)]
EVERY_COST = [*COST, *measured(batch=32), *projected(), *WIDTHS]
ELSEWHERE = cost_rows(series=CODEBOOK, values=times(1), device="GPU", d0=0, width=300)
OTHER_COST = [
    *cost_rows("unheard_of", ("dfa", "default"), {"total": 1}, width=None),
    *(row for depth in (1, 2) for row in cost_rows("vit", ("svp", "beta_0"), depth=depth)),
    {**cost_rows(values={"total": 1})[0], "value": None, "depth": None},
]


def cost_table(rows):
    """A table of cost of these rows, each once."""
    return tables.from_rows({str(row): row for row in rows}.values(), "cost")


def texts(figure):
    """Everything written in a figure."""
    return " ".join(item.get_text() for item in figure.findobj(lambda i: hasattr(i, "get_text")))


def lines(axes, look):
    """Points of the lines of a panel that have the colour and marker of this look."""
    return [
        list(map(tuple, line.get_xydata()))
        for line in axes.lines
        if (line.get_color(), line.get_marker()) == (look["color"], look["marker"])
    ]
