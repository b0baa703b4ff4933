"""Small relatives of the controlled networks, the perceptrons and the fast network."""

FEW = {"budget": 2000}

SMALL = {
    "controlled_cifar": (FEW, 8),
    "controlled_stride_cifar": (FEW, 9),
    "controlled_late_pool_cifar": (FEW, 8),
    "controlled_kernel5_cifar": (FEW, 8),
    "controlled_tanh_cifar": (FEW, 8),
    "mlp800": ({"hidden": (12, 8), "image_size": 6}, 8),
    "mlp1200": ({"hidden": (12, 8), "image_size": 6, "dropout": (0.0, 0.0)}, 7),
}
