"""Small relatives of highway, pre-activated, dense and fractal networks, and of stochastic depth."""

SMALL = {
    "highway19_cifar": ({"depths": (1, 2), "widths": (4, 8), "features": 6}, 9),
    "resnet20_cifar+stochastic depth": (
        {"depths": (1, 1, 1), "widths": (8, 16, 32), "stochastic_depth": 0.5},
        17,
    ),
    "preact_resnet110_cifar": ({"depths": (1, 2, 1), "widths": (4, 8, 16)}, 17),
    "preact_resnet164_cifar": ({"depths": (2, 1), "widths": (4, 8)}, 17),
    "preact_resnet164_cifar+stochastic depth": (
        {"depths": (1, 1), "widths": (4, 8), "stochastic_depth": 0.5},
        17,
    ),
    "densenet121": ({"depths": (2, 2), "growth_rate": 4}, 40),
    "densenet121+memory efficient": ({"depths": (2, 2), "growth_rate": 4, "memory_efficient": True}, 40),
    "densenet100_12_cifar": ({"depths": (2, 2, 2), "growth_rate": 4, "dropout": 0.2}, 17),
    "densenetbc100_12_cifar": ({"depths": (2, 2, 2), "growth_rate": 4}, 17),
    "fractalnet20_cifar": ({"widths": (4, 8)}, 9),
}
