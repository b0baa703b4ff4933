"""Small relatives of the networks of the measured runs."""

FEW = {"budget": 2000}
GATED = {"width_mult": 0.5, "stem_stride": 1, "config": ((64, 1), (64, 2))}

SMALL = {
    "controlled_cifar": (FEW, 8),
    "controlled_stride_cifar": (FEW, 9),
    "controlled_late_pool_cifar": (FEW, 8),
    "controlled_kernel5_cifar": (FEW, 8),
    "controlled_tanh_cifar": (FEW, 8),
    "how_fast_cifar": ({"widths": (8, 16)}, 8),
    "how_fast_cifar+mirror": ({"widths": (8, 16), "mirror": True}, 8),
    "mlp800": ({"hidden": (12, 8), "image_size": 6}, 8),
    "mlp1200": ({"hidden": (12, 8), "image_size": 6, "dropout": (0.0, 0.0)}, 7),
    "mobilenet_v1+se": (GATED | {"attention": "se"}, 8),
    "mobilenet_v1+cbam": (GATED | {"attention": "cbam"}, 8),
}
