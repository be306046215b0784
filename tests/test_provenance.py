"""What decides the numbers of a run, and what does not."""

import pytest
from new_files import edit, forget, write

from svp_core import provenance
from svp_core.config import resolve
from svp_core.cost import cells

RUN = {"dataset": "digits", "model": "mlp", "method": "svp", "seed": 0}


def of(**method_options) -> dict:
    return resolve(RUN | {"method_options": method_options})


def hash_of(config: dict) -> str:
    forget()
    return provenance.source_hash(provenance.run_sources(config))


def names(config: dict) -> set[str]:
    files = provenance.run_sources(config)
    return {str(file.relative_to(provenance.PACKAGE).with_suffix("")) for file in files}


SVP, PRIVATE = "methods/svp.py", "local/readouts/private.py"
EXPLAINED = [
    (SVP, "import torch\n", "import torch  # a remark\n"),
    (SVP, "The method's ablation axes", "Its axes"),
    (SVP, '"""Unit-local training; `units` from the image to the prediction."""', ""),
    (SVP, "Module | None = None,\n    ):\n", "Module | None = None\n    ):\n\n"),
    (SVP, "one R for all units", "a single R for all units"),
    (SVP, "scale: float = number(1.0", "scale: float = number(2.0"),
    (SVP, "exceeds depth {depth}", "exceeds the depth {depth}"),
    ("recipe.py", "self.batch_size > available", "self.batch_size > 2 * available"),
    (SVP, "import choice, flag, integer", "import choice, flag, option, integer"),
    (SVP, "    def rows(self", "    tried: bool = flag(False, 'once')\n\n    def rows(self"),
    ("pooling.py", "phi, what a reading", "phi: what a reading"),
    ("local/alignments/gaussian_kl.py", "Options(OptionSet):", "Options(OptionSet):  # s"),
    ("config/pairs.py", "def parse_pairs(", "def added(): ...\n\n\ndef parse_pairs("),
    ("models/cnn.py", "blocks(image_shape", "blocks(shape"),
    (PRIVATE, "rows**0.5", "rows**0.4"),
    ("metrics/ece.py", "BINS = 15", "BINS = 10"),
]
COMPUTED = [
    (SVP, "alpha=self.options.beta", "alpha=2 * self.options.beta"),
    (SVP, "self.d0 or classes", "self.d0 or 2 * classes"),
    (SVP, "    def rows(self", "    TABLE = {1: 2}\n\n    def rows(self"),
    (SVP, "    def rows(self", "    def refuse_rows(self):\n        return 3\n\n    def rows(self"),
    ("runtime/device.py", "cudnn.allow_tf32 = False", "cudnn.allow_tf32 = True"),
    ("local/alignments/gaussian_kl.py", "2 * options", "3 * options"),
    ("local/projections/gaussian.py", "columns**0.5", "columns**0.4"),
    ("models/mlp.py", "active())\n    rest", "nn.GELU())\n    rest"),
    ("recipe.py", "momentum, fused=True)", "momentum, fused=False)"),
    ("datasets/digits.py", "def load(", "def load(*, added=1, "),
    ("metrics/nll.py", ".double()", ".float()"),
    ("metrics/accuracy.py", "100 *", "99 *"),
    ("training/evaluation.py", "EVALUATION_BATCH = 500", "EVALUATION_BATCH = 400"),
]


@pytest.fixture
def run() -> dict:
    return resolve(RUN | {"metrics": ["nll"]})


@pytest.mark.parametrize(("path", "before", "after"), EXPLAINED)
def test_what_explains_or_declares_or_is_not_used_keeps_the_hash(package, run, path, before, after):
    known = hash_of(run)
    edit(package, path, before, after)
    assert hash_of(run) == known


@pytest.mark.parametrize(("path", "before", "after"), COMPUTED)
def test_what_computes_changes_the_hash(package, run, path, before, after):
    known = hash_of(run)
    edit(package, path, before, after)
    assert hash_of(run) != known


WRITTEN = '''def tell(rows: dict, *, width: int = 3) -> str:
    """Not hashed."""
    return f"{rows['name']!r:>{width}} {'a' 'b'}\\n" if rows else None
'''


def test_the_hash_is_the_same_in_every_python(tmp_path):
    """Pythons 3.11 and 3.12 write the quotes of this line in two ways, and parse it in two."""
    file = tmp_path / "told.py"
    file.write_text(WRITTEN)
    assert provenance.source_hash([file]) == "5ed8ccf8947a"


def test_an_empty_text_counts_but_at_the_end_of_a_format(tmp_path):
    file = tmp_path / "told.py"
    hashes = set()
    for text in ('def f(a=""): ...', "def f(a): ...", 'x = ["", "b"]', 'x = ["b"]'):
        file.write_text(text)
        provenance.code.cache_clear()
        hashes.add(provenance.source_hash([file]))
    assert len(hashes) == 4


def test_chosen_parts_and_metrics_are_sources_and_others_are_not():
    found = names(of(projection="sparse", readout="codebook", alignment="kl"))
    assert {"local/projections/sparse", "local/readouts/codebook", "local/alignments/kl"} <= found
    assert {"metrics/nll", "metrics/ece", "metrics/accuracy", "models/mlp", "recipe"} <= found
    others = {"local/projections/gaussian", "local/readouts/private", "local/alignments/none"}
    assert not (others | {"models/cnn", "methods/bp", "methods/sll", "datasets/mnist"}) & found
    assert "metrics/ece" not in names(resolve(RUN | {"metrics": []}))


def test_every_rule_of_inference_that_is_measured_is_a_source():
    for config in (of(inference="stacked"), resolve(RUN | {"method": "predsim"})):
        assert {"local/inferences/last", "local/inferences/mean"} <= names(config)
    assert "local/moments" in names(of(inference="stacked"))
    assert not {"local/inferences/stacked", "local/auxiliaries/ema"} & names(of())


def test_a_part_brings_what_it_is_made_of():
    assert "local/readouts/private" in names(of(readout="shared"))
    assert "local/alignments/gaussian_kl" in names(of(alignment="feature_kl"))
    bp = names(resolve(RUN | {"method": "bp"}))
    assert not any(name.startswith("local/") for name in bp)


def test_parts_are_sources_of_a_cost_sweep_too():
    config = {"name": "mlp", "model": "mlp", "sweeps": [{"depth": [2]}]}
    series = [{"method": "svp", "method_options": {"readout": "codebook"}}]
    swept = cells.resolved(cells.resolve(config | {"series": series}))
    files = cells.sources(swept, "simulate")
    found = {str(file.relative_to(provenance.PACKAGE)) for file in files}
    assert {"local/readouts/codebook.py", "cost/simulate.py", "cost/memory.py"} <= found
    assert not {"local/readouts/private.py", "methods/bp.py", "cost/measure.py"} & found


def test_options_that_extend_those_of_another_file_bring_it(package):
    path = "methods/narrow.py"
    text = "from svp_core.config.options import declared\n\n\n"
    write(package, path, text + "class Options(declared('methods', 'svp')):\n    pass\n")
    assert "methods/svp" in names(
        RUN | {"method": "narrow", "model_options": {}, "method_options": {}, "metrics": []}
    )
