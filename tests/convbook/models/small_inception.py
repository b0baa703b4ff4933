"""Small relatives of GoogLeNet and the Inception networks."""

from convbook.models import inception_resnet, inception_v3, inception_v4

GOOGLENET = {
    "stem_widths": (8, 8, 12),
    "modules": {"inception3a": (4, 4, 8, 2, 4, 4), "maxpool3": None, "inception4a": (8, 4, 8, 2, 4, 4)},
}
ROWS = {"3a": (4, 4, 4, 4, 6, "avg", 4), "3c": (0, 4, 8, 4, 4, "max", 0), "4a": (8, 4, 4, 4, 8, "max", 4)}
BN = {"stem_widths": (8, 8, 12), "modules": ROWS}


def thin(variant: dict, **overrides: object) -> tuple[dict, int]:
    """One module a grid, an eighth of the width, the smallest images."""
    grids = tuple(modules[:1] for modules in variant["grids"])
    return {"grids": grids, "width_mult": 0.125, "dropout": 0.0, **overrides}, 76


SMALL = {
    "googlenet": (GOOGLENET, 33),
    "googlenet+torchvision": ({**GOOGLENET, "torchvision": True}, 33),
    "inception_naive": (GOOGLENET, 33),
    "bn_inception": (BN, 33),
    "bn_inception+full": ({**BN, "depth_multiplier": 0}, 33),
    "inception_v2": thin(inception_v3.VARIANTS["inception_v2"]),
    "inception_v3": thin(inception_v3.VARIANTS["inception_v3"]),
    "inception_v4": thin(inception_v4.VARIANTS["inception_v4"]),
    "inception_resnet_v1": thin(inception_resnet.VARIANTS["inception_resnet_v1"]),
    "inception_resnet_v2": thin(inception_resnet.VARIANTS["inception_resnet_v2"], top=[(64, 1)]),
}
