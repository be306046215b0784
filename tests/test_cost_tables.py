"""Records of cost become cost.csv, slopes.csv and cost.md, or a clear error."""

import pandas as pd
import pytest
from builders import completed, diverged, epoch, record, write_records

from svp_core import tables
from svp_core.tables.sweeps import of_steps, sweep
from workflow.scripts import collect_cost, collect_runs, summarise_cost

SERIES = [("bp", "default"), ("bp", "fused"), ("svp", "default")]


def row(quantity: str = "total", value: float = 100.0, **changes) -> dict:
    """A row of a cost record."""
    sizes = {"depth": 2, "width": 8, "batch": 16, "image_size": 28, "d0": None}
    series = {"model": "mlp", "method": "bp", "variant": "default"}
    series |= {"baseline": "bp", "headline": True}
    origin = {"unit": "bytes", "source": "simulated", "device": None}
    return series | sizes | {"quantity": quantity, "value": value} | origin | changes


def depth_rows(depths=(2, 4, 8, 16)) -> list[dict]:
    """Memory of three series over depth: linear for bp, flat for svp's activations."""
    rows = []
    for method, variant in SERIES:
        for depth in depths:
            saved = 1000 * depth if method == "bp" else 1000
            kinds = {kind: 10 * depth for kind in summarise_cost.KINDS}
            kinds |= {"activations_at_peak": saved, "activations": saved, "flops": 300 * depth}
            kinds["total"] = sum(kinds[kind] for kind in summarise_cost.KINDS)
            place = {"method": method, "variant": variant, "depth": depth}
            rows += [row(quantity, float(value), **place) for quantity, value in kinds.items()]
    return rows


def collect(tmp_path, rows: list[dict], records: list[dict] = (), targets=()) -> pd.DataFrame:
    """Collect a cost record of these rows, and trainings; the table."""
    made = {"torch_version": "2.9.0", "source_hash": "0123456789ab", "rows": rows}
    runs = tmp_path / "runs"
    runs.mkdir()
    paths = write_records(runs, list(records) or [record()])
    collect_runs.main([*paths, "--output-dir", str(tmp_path)])
    [path] = write_records(tmp_path, [made])
    tables_read = ["--runs", str(tmp_path / "runs.csv"), "--curves", str(tmp_path / "curves.csv")]
    wanted = [part for target in targets for part in ("--target", target)]
    collect_cost.main([path, *tables_read, *wanted, "--output-dir", str(tmp_path)])
    return tables.read(tmp_path / "cost.csv", "cost")


def summarise(tmp_path, rows: list[dict], **trainings) -> tuple[pd.DataFrame, str]:
    """Collect and summarise; the slopes and the text for readers."""
    collect(tmp_path, rows, **trainings)
    summarise_cost.main([str(tmp_path / "cost.csv"), "--output-dir", str(tmp_path)])
    return tables.read(tmp_path / "slopes.csv", "slopes"), (tmp_path / "cost.md").read_text()


def section(text: str, title: str) -> list[list[str]]:
    """The cells of the table below a title."""
    body = text.split(f"## {title}\n\n")[1].split("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in body.splitlines()]


@pytest.mark.parametrize("value", [100.0, 101.0])
def test_two_values_of_one_cell_are_refused(tmp_path, value):
    with pytest.raises(SystemExit, match="cost: two rows of mlp, bp, default, 2, 8, 16, 28, total"):
        collect(tmp_path, [row(), row(value=value)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"value": "many"}, r"rows\[0\].value: 'many' is not"),
        ({"seed": 0}, r"rows\[0\]: .*'seed' was unexpected"),
        ({"headline": None}, r"rows\[0\].headline: None is not of type 'boolean'"),
        ({"model": None}, r"rows\[0\].model: None is not of type 'string'"),
    ],
)
def test_a_broken_row_is_named(tmp_path, change, message):
    with pytest.raises(SystemExit, match=message):
        collect(tmp_path, [row(**change)])


def trainings() -> list[dict]:
    """Two seeds of bp reach 80 % in epochs 2 and 3 of 3; those of svp never."""
    made = []
    for seed, accuracies in enumerate([(70, 80, 90), (60, 75, 85)]):
        curves = [epoch(number, [float(a)]) for number, a in enumerate(accuracies, start=1)]
        ends = {"test_accuracy": float(accuracies[-1])}
        ends["metrics"] = {"unit_accuracy": [ends["test_accuracy"]]}
        made.append(
            record(method="bp", seed=seed, curves=curves, epochs=3, train_flops=3000, **ends)
        )
        made.append(completed([50.0, 60.0], method="svp", seed=seed))
    return made


def test_the_price_of_an_accuracy_is_a_median_over_seeds(tmp_path):
    lost = diverged(method="sll", seed=0)  # after it had reached the target
    lost["curves"][0]["test_accuracy"] = 85.0
    cost = collect(tmp_path, [row()], [*trainings(), lost], ["mnist=80", "digits=90"])
    found = cost.dropna(subset=["dataset"]).set_index(["method", "quantity"])["value"]
    assert found["bp", "epochs_to_80_percent"] == 2.5
    assert found["bp", "flops_to_80_percent"] == 2500
    assert found["bp", "seconds_to_80_percent"] == 1.25
    assert pd.isna(found["bp", "joules_to_80_percent"])
    assert pd.isna(found["svp", "seconds_to_80_percent"])
    assert pd.isna(found["sll", "seconds_to_80_percent"])
    assert set(cost["dataset"].dropna()) == {"mnist"}


def test_energy_of_which_a_part_is_unknown_is_not_available(tmp_path):
    curves = [epoch(number, [accuracy]) for number, accuracy in ((1, 50.0), (2, 80.0), (3, 90.0))]
    for entry, joules in zip(curves, (None, 5.0, 2.5), strict=True):
        entry["joules"] = joules
    ends = {"test_accuracy": 90.0, "metrics": {"unit_accuracy": [90.0]}}
    cost = collect(tmp_path, [row()], [record(curves=curves, epochs=3, **ends)], ["mnist=80"])
    found = cost.dropna(subset=["dataset"]).set_index("quantity")["value"]
    assert pd.isna(found["joules_to_80_percent"]) and found["seconds_to_80_percent"] == 1.0


def test_slopes_are_those_of_the_logarithms(tmp_path):
    slopes, _ = summarise(tmp_path, depth_rows())
    slopes = slopes.set_index(["method", "variant", "quantity"])
    assert slopes.loc[("bp", "default", "activations"), "slope"] == pytest.approx(1)
    assert slopes.loc[("bp", "default", "activations"), "growth"] == 1000
    flat = slopes.loc[("svp", "default", "activations")]
    assert (flat["slope"], flat["low"], flat["high"], flat["growth"]) == (0, 0, 0, 0)
    assert set(slopes["axis"]) == {"depth"} and set(slopes["points"]) == {4}


def test_a_sweep_is_not_mixed_with_others():
    rows = depth_rows() + [row(width=16, depth=depth) for depth in (2, 4)]
    rows += [row(batch=batch, depth=4) for batch in (32, 64, 128)]
    cost = of_steps(pd.DataFrame(rows).assign(dataset=None), "total")
    found = sweep(cost, "depth")["mlp"]
    assert set(found["width"]) == {8} and set(found["batch"]) == {16}
    assert set(found["depth"]) == {2, 4, 8, 16}
    assert set(sweep(cost, "batch")["mlp"]["batch"]) == {16, 32, 64, 128}
    assert not sweep(cost, "image_size")


def test_the_reduction_is_that_of_the_largest_depth_with_its_parts(tmp_path):
    _, text = summarise(tmp_path, depth_rows())
    header, _, *lines = section(text, "Peak memory of a step, and what it is made of")
    best = dict(zip(header, lines[0], strict=True))
    assert (best["series"], best["depth"]) == ("svp", "16")
    assert best["total, bp/it"] == f"{(16000 + 960) / (1000 + 960):.2f}"
    assert best["saved, bp/it"] == "16.00"


def test_what_a_block_adds_is_in_percent_of_bp(tmp_path):
    _, text = summarise(tmp_path, depth_rows())
    _, _, *lines = section(text, "Saved activations against depth")
    shares = {line[1]: line[3] for line in lines}
    assert shares == {"bp": "100.00 %", "bp fused": "100.00 %", "svp": "0.00 %"}


def test_the_break_even_lies_between_two_rows(tmp_path):
    rows = depth_rows()  # bp takes 600 operations at depth 2
    for d0, value in ((10, 500.0), (100, 599.0), (101, 601.0)):
        place = {"method": "svp", "variant": "codebook", "d0": d0}
        rows.append(row("flops", value, **place))
    _, text = summarise(tmp_path, rows)
    line = ["mlp", "2", "svp codebook", "flops", "between 100 and 101"]
    assert section(text, "Break-even")[2] == line


def test_a_curve_that_never_passes_one_says_so(tmp_path):
    rows = depth_rows()
    for d0, value in ((10, 500.0), (100, 550.0), (1000, 599.0)):
        rows.append(row("flops", value, method="svp", variant="codebook", d0=d0))
    _, text = summarise(tmp_path, rows)
    assert section(text, "Break-even")[2][-1] == "above all that were tried, 10 to 1000"


def test_any_method_may_be_the_baseline(tmp_path):
    names = {"bp": "sgd_bp", "svp": "dfa"}
    rows = [one | {"method": names[one["method"]], "baseline": "sgd_bp"} for one in depth_rows()]
    _, text = summarise(tmp_path, rows)
    header, _, *lines = section(text, "Peak memory of a step, and what it is made of")
    assert "total, sgd_bp/it" in header and lines[0][2] == "dfa"
    assert section(text, "Saved activations against depth")[0][-1] == "of sgd_bp's"


def test_two_baselines_in_one_table_are_refused(tmp_path):
    rows = [row(), row(method="svp", baseline="sll")]
    with pytest.raises(SystemExit, match="two baselines in one table: bp and sll"):
        summarise(tmp_path, rows)


def test_without_bp_there_is_nothing_to_relate_to(tmp_path):
    rows = [one for one in depth_rows() if one["method"] != "bp"]
    rows += [row("flops", 1.0, method="svp", variant="codebook", d0=d0) for d0 in (10, 20, 30)]
    _, text = summarise(tmp_path, rows)
    assert section(text, "Saved activations against depth")[2][-1] == "–"
    for title in ("Peak memory of a step, and what it is made of", "Break-even"):
        assert len(section(text, title)) == 2  # the header alone


def test_slopes_of_the_methods_are_printed_with_their_intervals(tmp_path):
    _, text = summarise(tmp_path, depth_rows())
    header, _, *lines = section(text, "Slopes of log cost against log size")
    (line,) = [dict(zip(header, line, strict=True)) for line in lines if line[2] == "svp"]
    assert (line["axis"], line["model"]) == ("depth", "mlp")
    assert (line["saved"], line["FLOPs"]) == ("0.00 [0.00, 0.00] (4)", "1.00 [1.00, 1.00] (4)")
    assert line["time"] == "–"


def test_simulated_and_allocated_memory_stand_side_by_side(tmp_path):
    gpu = {"source": "measured", "device": "GPU"}
    mib, place = 2.0**20, {"depth": 32}
    kinds = {kind: mib for kind in summarise_cost.KINDS} | {"total": 7 * mib}
    rows = [row(kind, value, **place) for kind, value in kinds.items()]
    rows += [row("activations", mib, **place), row("flops", 1.0, **place)]
    rows += [row("allocated", 7.7 * mib, **gpu, **place), row("reserved", 9 * mib, **gpu, **place)]
    _, text = summarise(tmp_path, depth_rows() + rows)
    line = section(text, "Simulated and allocated, MiB")[2]
    assert line == ["mlp", "32", "16", "bp", "7", "8", "9", "**+10.0 %**"]
    assert [summarise_cost.apart(ratio) for ratio in (1.04, 0.94)] == ["+4.0 %", "**-6.0 %**"]


def test_the_largest_depths_are_a_table_of_budgets(tmp_path):
    place = {"depth": None, "unit": "blocks"}
    rows = [row(f"largest_depth_{budget}_gib", 10.0 * budget, **place) for budget in (8, 24)]
    rows.append(row("largest_depth_8_gib", None, method="svp", **place))
    _, text = summarise(tmp_path, depth_rows() + rows)
    header, _, *lines = section(text, "Largest depth")
    assert header[2:] == ["8 GiB", "24 GiB"]
    assert lines == [["mlp", "bp", "80", "240"], ["mlp", "svp", "–", "–"]]
