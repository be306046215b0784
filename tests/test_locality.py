"""The audit finds what is known of a method by construction, also of one in a new file."""

import pandas as pd
import pytest
from new_files import write

from figures import locality as figure
from svp_core import tables
from svp_core.auditing import forks
from svp_core.auditing.measures import measure
from svp_core.config import options
from svp_core.locality import defined, main

KEYS = ["later_blocks", "labels", "errors", "weights", "locking", "at_once", "blocks_alive",
        "forward_passes", "backward_passes"]  # fmt: skip
LOCAL = ("0+0+0+0", "units", "no", False, "none", True, 1, 1, 1)
KNOWN = {
    "bp": ("3+2+1+0", "output", "chain", True, "backward", False, 4, 1, 1),
    "fa": ("3+2+1+0", "output", "chain", False, "backward", False, 4, 1, 1),
    "usf": ("3+2+1+0", "output", "chain", True, "backward", False, 4, 1, 1),
    "dfa": ("3+2+1+0", "output", "direct", False, "forward", False, 4, 1, 1),
    "pepita": ("3+2+1+0", "output", "direct", False, "forward", False, 4, 2, 0),
    "sdfa": ("0+0+0+0", "output", "no", False, "none", False, 4, 1, 1),
    "drtp": LOCAL,
    "svp": LOCAL,
    "predsim": LOCAL,
    "ff": ("0+0+0+0", "input", "no", False, "none", True, 1, 3, 2),
    "biofo": LOCAL,
    "dgl": LOCAL,
    "man": ("1+1+1+0", "units", "no", True, *LOCAL[4:]),
    "softhebb": ("0+0+0+0", "none", *LOCAL[2:-1], 0),
    # blocks are those of one network of its chain, which no other one reaches
    "noprop": ("3+2+1+0", "input", "chain", True, "backward", False, 4, 1, 1),
    "deep_supervision": ("3+2+1+0", "output", "chain", True, "backward", False, 4, 1, 1),
}


def found(method: str, model: str = "mlp", **given) -> tuple:
    row = measure(forks.Setting(model, method, given))
    return tuple(row[key] for key in KEYS)


@pytest.mark.parametrize("method", KNOWN)
def test_what_is_known_of_a_method_is_found(method):
    assert found(method) == KNOWN[method]


def test_what_an_overlap_lets_cross_is_found():
    expected = ("1+1+1+0", "units+output", "chain", True, "backward", False, 2, 1, 2)
    assert found("svp", overlap=1) == expected


def test_a_moving_average_of_weights_is_found_though_no_error_travels():
    assert found("local_lda", auxiliary="ema")[:4] == ("1+1+1+0", "units", "no", True)


def test_a_second_forward_pass_is_counted():
    assert found("bp", activation_checkpointing="blocks")[-2:] == (2, 1)


@pytest.mark.parametrize("model", ["cnn", "resnet", "vit"])
def test_other_models_are_audited_alike(model):
    assert found("bp", model)[:4] == KNOWN["bp"][:4]
    assert found("dfa", model)[:4] == KNOWN["dfa"][:4]
    assert found("drtp", model)[:4] == LOCAL[:4]


SILENT = '''"""Deep supervision: the losses of all blocks are summed, and gradients reach all."""

from torch import nn
from svp_core.config.run import MethodOptions
from svp_core.methods import Method, update


class Options(MethodOptions):
    """None."""


class Deep(Method):
    def __init__(self, model, task, options, recipe, seed):
        super().__init__(recipe)
        self.blocks = model.blocks
        self.heads = nn.ModuleList(nn.Linear(width, task.classes) for width in model.widths)
        self.optimizers = [self.optimizer(self.parameters())]

    def step(self, images, labels):
        losses, hidden = [], images
        for block, head in zip(self.blocks, self.heads, strict=True):
            hidden = block(hidden)
            losses.append(self.loss(head(hidden), labels))
        sum(losses).backward()
        update(self.optimizers[0])


build = Deep
'''


def test_a_method_in_a_new_file_is_audited_by_its_name(package):
    write(package, "methods/deep.py", SILENT)
    assert "deep" in defined("mlp")
    row = dict(zip(KEYS, found("deep"), strict=True))
    assert row["later_blocks"] == "3+2+1+0" and row["errors"] == "chain" and row["weights"]
    assert row["blocks_alive"] == 4 and not row["at_once"]


def test_every_method_that_is_defined_for_a_model_is_audited():
    assert set(defined("mlp")) == set(options.names("methods")) - {"infopro", "hpff"}
    assert {"bp", "sff"} < set(defined("cnn")) and not {"ff", "pepita"} & set(defined("cnn"))


def test_the_command_writes_the_table_and_the_figure_reads_it(tmp_path, capsys):
    output = tmp_path / "tables/locality.csv"
    assert main(["bp", "svp:overlap=1", "--output", str(output)]) == 0
    frame = tables.read(output, "locality")
    assert list(frame["variant"]) == ["default", "overlap_1"]
    figure.main([str(output), "--png", str(tmp_path / "a.png"), "--pdf", str(tmp_path / "a.pdf")])
    assert (tmp_path / "a.png").stat().st_size > 5000
    texts = [text for text, _ in figure.cells(frame.iloc[0])]
    assert texts == ["3 of 3", "output", "chain", "yes", "backward", "4 of 4", "1", "1"]
    levels = [level for _, level in figure.cells(frame.iloc[0])]
    assert levels == [1, 1, 1, 1, 1, 1, 0, 0]
    assert figure.cells(pd.Series({**frame.iloc[0], "weights": pd.NA}))[3] == ("", 0)
    assert figure.describe(frame) == ""  # neither of the two
    svp = frame.iloc[1:].assign(variant="default", later_blocks="0+0+0+0", errors="no")
    assert figure.describe(svp) == "MLP, no later block or error in an update: SVP."


@pytest.mark.parametrize(
    ("series", "message"),
    [
        ("unheard_of", "method: 'unheard_of' is not one of"),
        ("svp:overlap=9", "svp: method_options.overlap: no unit of 4 has 9 before it"),
        ("svp:overlp=1", "overlp"),
    ],
)
def test_what_cannot_be_audited_is_named_and_nothing_is_written(series, message, tmp_path, capsys):
    output = tmp_path / "locality.csv"
    assert main(["bp", series, "--output", str(output)]) == 1
    assert message in capsys.readouterr().err and not output.exists()
