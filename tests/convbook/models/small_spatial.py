"""Small relatives of LeNet-1, LeNet-4, ZFNet, NIN and VGG."""

TWO_STAGES = {"depths": (1, 2), "widths": (6, 8), "hidden": 16}

SMALL = {
    "lenet1": ({"image_size": 20}, 20),
    "lenet4": ({"image_size": 20, "hidden": 12}, 20),
    "alexnet+hidden": ({"widths": (4, 8, 8, 8, 8), "hidden": 16}, 65),
    "zfnet": ({"widths": (4, 6, 8, 8, 6), "hidden": 16}, 50),
    "nin_cifar": ({"mlpconvs": ((5, 1, (8, 8)), (5, 1, (8,)), (3, 1, (8, 8)))}, 18),
    "nin_imagenet": ({"mlpconvs": ((11, 4, (8, 8)), (5, 1, (8,)), (3, 1, (8,)), (3, 1, (8, 8)))}, 45),
    "vgg11": (TWO_STAGES, 13),
    "vgg11_lrn": (TWO_STAGES, 13),
    "vgg11_bn": (TWO_STAGES, 13),
    "vgg16_c": (TWO_STAGES | {"depths": (1, 3)}, 13),
}
