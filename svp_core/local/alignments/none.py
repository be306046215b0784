"""No alignment: every unit only predicts."""

divergence = None
