"""Published layer tables, free of torch: models build them, the check of a config counts them."""

# channels of the 3x3 convolutions, stage by stage; a 2x2 max pooling ends each stage
VGG = {
    "vgg8b": ((128, 256), (256, 512), (512,), (512,)),  # arXiv 1901.06656
    "vgg11": ((64,), (128,), (256, 256), (512, 512), (512, 512)),  # arXiv 1409.1556, A
}

# residual blocks of the four stages, by number of layers (arXiv 1512.03385, table 1)
RESNET = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}
