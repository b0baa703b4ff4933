"""Small relatives of Wide ResNet, PyramidNet, Xception and the all convolutional net."""

from torch import nn

ONE: dict = {"depths": (1, 1, 1)}
TINY = ([(3, 8)], [(3, 16)])
SLIM: dict = {"stem": (4, 8), "entry": (16, 24), "middle": 1, "exit": (24, 32, 32), "dropout": 0.0}

SMALL = {
    "wide_resnet16_8_cifar": (ONE | {"width_mult": 1}, 17),
    "wide_resnet40_2_cifar+dropout": (ONE | {"dropout": 0.3}, 16),
    "wide_resnet40_2_cifar+three kernels": (ONE | {"width_mult": 1, "kernels": (1, 3, 1)}, 17),
    "pyramidnet110_a48_cifar": (ONE | {"alpha": 10}, 17),
    "pyramidnet110_a84_cifar+multiplicative": (ONE | {"alpha": 2, "widening": "multiplicative"}, 16),
    "pyramidnet164_a270_cifar": (ONE | {"alpha": 10}, 17),
    "xception": (SLIM, 64),
    "xception+plain, relu between": (SLIM | {"residual": False, "between": nn.ReLU}, 64),
    "xception+hidden": (SLIM | {"hidden": (16, 16)}, 64),
    "allcnn_a_cifar": ({"stages": TINY, "form": "base"}, 17),
    "allcnn_b_cifar": ({"stages": TINY, "form": "conv-pool"}, 17),
    "allcnn_c_cifar": ({"stages": TINY}, 16),
    "allcnn_c_cifar+strided": ({"stages": TINY, "form": "strided"}, 17),
}
