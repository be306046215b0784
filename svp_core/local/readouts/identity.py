"""v are the logits, so that d0 = K."""

from torch import nn

from svp_core.config.options import OptionSet


class Options(OptionSet):
    """None of its own."""

    def refuse(self, run):
        rows = self.unit_rows(run)
        if set(rows) == {run.classes}:
            return
        if self.d0 is None:
            yield (
                "readout: identity without a projection needs units of"
                f" {run.classes} features, these have {rows}"
            )
        else:
            yield (
                f"d0: {self.d0} rows cannot be read as {run.classes} class logits by the readout"
                " identity; leave d0 at null or choose another readout"
            )


def build(rows, task, options, seed) -> list[nn.Module]:
    """Return a readout a unit, none of which does anything."""
    return [nn.Identity() for _ in rows]
