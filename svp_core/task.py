"""What is to be learned, as far as models and methods need to know."""

from typing import NamedTuple


class Task(NamedTuple):
    """Images of a shape, classes, and how many images there are to learn from."""

    image_shape: tuple[int, int, int]  # channels, height, width
    classes: int
    train_images: int
