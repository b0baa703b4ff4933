"""Small relatives of the networks with attention, and of the one with boosted channels."""

SMALL = {
    **{
        f"cmpe_se_resnet20_cifar+{view}": ({"depths": (1, 1, 1), "attention": f"cmpe_{view}"}, 17)
        for view in ("2x1", "1x1", "folded")
    },
    "cmpe_se_resnet110_cifar": ({"depths": (1, 1, 1)}, 17),
    "scse": ({"widths": (8, 12), "bottom": 16, "kernel_size": 3}, 22),
    "plain_unet": ({"widths": (8, 12), "bottom": 16, "kernel_size": 3}, 22),
    "scse+cse": ({"widths": (8, 12), "bottom": 16, "kernel_size": 3, "attention": "cse"}, 22),
    "scse+sse": ({"widths": (8, 12), "bottom": 16, "kernel_size": 3, "attention": "sse"}, 22),
    "residual_attention56": ({"widths": (4, 8, 8, 16)}, 40),
    "residual_attention56+channel": ({"widths": (4, 8, 8, 16), "mask": "channel"}, 40),
    "residual_attention56+spatial": ({"widths": (4, 8, 8, 16), "mask": "spatial"}, 40),
    "residual_attention92": ({"modules": (1, 2), "halvings": (2, 1), "widths": (4, 8, 16)}, 33),
    "channel_boosted_resnet20_cifar": ({"options": {"depths": (1, 1, 1), "widths": (8, 16, 32)}}, 17),
}
