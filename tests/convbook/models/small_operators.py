"""Small relatives of SimpleNet, SimpNet, ENet and LinkNet."""

SMALL = {
    "simplenet_cifar": (
        {"stages": ((4, 6), (8, 6), (6,)), "pointwise": (3, 4), "bare": (3, 4, 5), "dropout": 0.2},
        17,
    ),
    "simpnet_cifar": ({"stages": ((4, 6), (8,)), "dropout": (0.1, 0.2, 0.3)}, 17),
    "enet": (
        {
            "widths": (4, 8, 16),
            "depth": 1,
            "context": (("regular", 3), ("dilated", 2), ("asymmetric", 5)),
        },
        32,
    ),
    "linknet": ({"depths": (1, 1, 1, 1), "widths": (8, 8, 16, 16), "head_width": 4}, 40),
    "linknet+odd": ({"depths": (1, 1, 1), "widths": (8, 8, 16), "head_width": 4}, 43),
}
