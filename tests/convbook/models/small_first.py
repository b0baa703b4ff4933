"""Small relatives of LeNet, AlexNet, ResNet and MobileNet."""

SMALL = {
    "lenet5": ({"image_size": 20}, 20),
    "lenet5_modern": ({"image_size": 20}, 20),
    "alexnet": ({"widths": (8, 8, 8, 8, 8)}, 65),
    "alexnet_one_tower": ({"widths": (8, 8, 8, 8, 8)}, 65),
    "resnet18": ({"depths": (1, 1, 1, 1), "widths": (8, 8, 16, 16)}, 40),
    "plain18": ({"depths": (1, 1, 1, 1), "widths": (8, 8, 16, 16)}, 40),
    "resnext50_32x4d": ({"depths": (1, 1, 1), "widths": (16, 32, 64), "cardinality": 4}, 34),
    "resnet20_cifar": ({"depths": (1, 1, 1), "widths": (8, 16, 32)}, 17),
    "plain20_cifar": ({"depths": (1, 1, 1), "widths": (8, 16, 32)}, 17),
    "resnext29_8x64d_cifar": ({"depths": (1, 1), "widths": (16, 32), "cardinality": 2}, 17),
    "se_resnet20_cifar": ({"depths": (1, 1, 1)}, 17),
    "cmpe_se_resnet20_cifar": ({"depths": (1, 1, 1)}, 17),
    "cbam_resnet20_cifar": ({"depths": (1, 1, 1)}, 17),
    "scse_resnet20_cifar": ({"depths": (1, 1, 1)}, 17),
    "mobilenet_v1": ({"width_mult": 0.25, "stem_stride": 1}, 18),
    "mobilenet_v1_full": ({"width_mult": 0.25, "config": ((16, 1), (32, 2))}, 18),
    "mobilenet_v1_shallow": ({"width_mult": 0.25}, 33),
    "mobilenet_v2": ({"width_mult": 0.25, "stem_stride": 1}, 18),
}
