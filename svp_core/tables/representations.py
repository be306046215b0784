"""Comparisons of units by the inner products of their activations, as records keep them."""

import base64
import binascii

import numpy as np

from svp_core.tables.contract import TableError


def unpacked(text: str, size: int) -> np.ndarray:
    """The Gram matrix (N, N) of a record; raises TableError if its size is another."""
    try:
        values = np.frombuffer(base64.b64decode(text, validate=True), "<f2").astype(float)
    except (binascii.Error, ValueError) as error:
        raise TableError(f"representations.grams: {error}") from error
    places = np.triu_indices(size)
    if len(values) != len(places[0]):
        raise TableError(f"representations.grams: {len(values)} numbers, not {len(places[0])}")
    matrix = np.zeros((size, size))
    matrix[places] = values
    return matrix + np.triu(matrix, 1).T


def linear_cka(one: np.ndarray, other: np.ndarray) -> float:
    """Linear CKA of two centred Gram matrices (N, N) (Kornblith et al. 2019): their cosine.

    1 where activations are equal up to rotation and scale; not a number where any is constant.
    """
    size = np.linalg.norm(one) * np.linalg.norm(other)
    return float((one * other).sum() / size) if size else float("nan")


def principal_coordinates(gram: np.ndarray) -> tuple[np.ndarray, float]:
    """Coordinates (N, 2) along the two main axes, of at most 1, and their part of the variance.

    Those of PCA: the eigenvectors of the Gram matrix. The sign of an axis is that of its largest.
    """
    variances, axes = np.linalg.eigh(gram)
    kept = variances[:-3:-1].clip(min=0)
    coordinates = axes[:, :-3:-1] * np.sqrt(kept)
    largest = coordinates[np.abs(coordinates).argmax(axis=0), range(2)]
    coordinates *= np.where(largest < 0, -1, 1) / max(np.abs(coordinates).max(), 1e-300)
    whole = np.trace(gram)
    return coordinates, float(kept.sum() / whole) if whole > 0 else 0.0
