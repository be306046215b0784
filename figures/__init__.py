"""Figures of the tables, which are the same whatever Matplotlib finds in its surroundings."""

import os
from contextlib import chdir
from pathlib import Path

# one in the working directory, or a backend that is not there, may even stop its import
os.environ["MPLBACKEND"] = "agg"
with chdir(Path(__file__).parent):  # whose matplotlibrc comes before all others
    import matplotlib  # noqa: F401
