"""Small relatives of SqueezeNet, MobileNetV3, ShuffleNet, ShuffleNetV2 and CondenseNet."""

FIRES = {"stem": (16, 3), "fires": ((4, 8), (4, 8), (8, 16)), "pool_before": (2, 4)}
SEARCHED = ((3, 16, 16, True, "RE", 2), (3, 24, 16, False, "RE", 1), (5, 24, 24, True, "HS", 2))
CONDENSED = {"depths": (2, 2), "growth_rates": (8, 16)}

SMALL = {
    "squeezenet1_0": (FIRES | {"dropout": 0.0}, 32),
    "squeezenet1_0+simple": (FIRES | {"bypass": "simple"}, 32),
    "squeezenet1_0+complex": (FIRES | {"bypass": "complex"}, 32),
    "squeezenet1_1": (FIRES | {"pool_before": (2, 3)}, 32),
    "mobilenet_v3_large": ({"width_mult": 0.25, "last_channels": 64}, 33),
    "mobilenet_v3_small": ({"config": SEARCHED, "last_channels": 32, "stem_stride": 1}, 18),
    "shufflenet_v1_g1": ({"widths": (48, 96), "depths": (2, 2)}, 33),
    "shufflenet_v1_g2": ({"widths": (48, 96), "depths": (2, 2), "shuffle": False}, 33),
    "shufflenet_v1_g3": ({"width_mult": 0.25, "depths": (2, 2, 2)}, 33),
    "shufflenet_v1_g8": ({"width_mult": 0.25, "depths": (1, 2, 1)}, 33),
    "shufflenet_v2_x0_5": ({"widths": (8, 16), "depths": (2, 2), "last_channels": 32}, 33),
    "condensenet74_cifar": (CONDENSED, 18),
    "condensenet74_cifar+condensed": (CONDENSED | {"condensed": True, "condense_factor": 2}, 18),
    "condensenet74_cifar+stem": (CONDENSED | {"groups": 2, "stem_stride": 2}, 19),
}
