"""Handwritten digits: 1,797 real 8x8 scans that come with scikit-learn."""

from pathlib import Path

import numpy as np

from svp_core.datasets import Facts, Split

FACTS = Facts(
    classes=10,
    shape=(1, 8, 8),
    train_size=1257,
    test_size=540,
    mean=(0.3055,),
    std=(0.3761,),
    licence="CC BY 4.0",
    homepage="https://archive.ics.uci.edu/dataset/80",
    pixel_max=16,
)


def load(data_dir: Path) -> tuple[Split, Split]:
    """Return a fixed split, stratified by class; `data_dir` is not needed."""
    # a second, which every Snakemake that wants the facts would wait
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    scans = load_digits()
    images = scans.images.astype(np.uint8)[:, None]
    labels = scans.target.astype(np.int64)
    x_train, x_test, y_train, y_test = train_test_split(
        images, labels, test_size=FACTS.test_size, stratify=labels, random_state=0
    )
    return Split(x_train, y_train), Split(x_test, y_test)
