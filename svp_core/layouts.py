"""Published layer tables, free of torch: models build them, the check of a config counts them."""

# channels of the 3x3 convolutions, stage by stage; a 2x2 max pooling ends each stage
VGG = {
    "vgg8b": ((128, 256), (256, 512), (512,), (512,)),  # arXiv 1901.06656
    # arXiv 1409.1556, table 1: A, B, D, E
    "vgg11": ((64,), (128,), (256,) * 2, (512,) * 2, (512,) * 2),
    "vgg13": ((64,) * 2, (128,) * 2, (256,) * 2, (512,) * 2, (512,) * 2),
    "vgg16": ((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3),
    "vgg19": ((64,) * 2, (128,) * 2, (256,) * 4, (512,) * 4, (512,) * 4),
}

# residual blocks of the four stages, by number of layers (arXiv 1512.03385, table 1)
RESNET = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}


def resnet(layout: int, depth: int | None) -> tuple[int, ...]:
    """Return the blocks of the four stages: those of the layout, or `depth` in equal parts."""
    return (depth // 4,) * 4 if depth else RESNET[layout]
