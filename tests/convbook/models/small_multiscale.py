"""Small relatives of iCNN, the fabrics, MSDNet, NASNet and HRNet."""

SMALL = {
    "icnn": ({"widths": (4, 6, 8), "links": 1}, 19),
    "fabric_cifar": ({"layers": 3, "scales": 3, "channels": 4}, 11),
    "fabric_cifar+sparse": ({"layers": 3, "scales": 3, "channels": 4, "wiring": "sparse"}, 11),
    "msdnet_cifar": ({"depths": (1, 1, 1), "stem_channels": 4, "classifier_channels": 8}, 33),
    "nasnet_a_mobile": ({"filters": 96, "repeats": 1, "stem_channels": 4, "dropout": 0.0}, 36),
    "nasnet_a_large": ({"filters": 96, "repeats": 1, "stem_channels": 4, "dropout": 0.0}, 35),
    "nasnet_a_large+cifar": (
        {"filters": 48, "repeats": 1, "stem_channels": 4, "stem": "cifar", "dropout": 0.0},
        9,
    ),
    "hrnet_w18": (
        {
            "width": 4,
            "modules": (1, 1),
            "depth": 1,
            "stem_depth": 2,
            "head_widths": (2, 4, 8),
            "head_channels": 16,
        },
        37,
    ),
    "hrnet_w32": (
        {
            "width": 4,
            "modules": (1,),
            "depth": 1,
            "stem_depth": 1,
            "stem_width": 8,
            "head_widths": (2, 4),
            "head_channels": 16,
        },
        40,
    ),
}
