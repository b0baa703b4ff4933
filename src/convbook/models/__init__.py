"""Networks by name, a family a file, each as its paper published it.

Importing this package registers every family; ask :func:`list_models` for the names.
"""

from convbook.models.alexnet import AlexNet
from convbook.models.lenet import LeNet5, ModernLeNet5
from convbook.models.mobilenet import MobileNetV1, MobileNetV2
from convbook.models.registry import (
    ModelSpec,
    OverrideError,
    UnknownModelError,
    create_model,
    describe,
    list_models,
)
from convbook.models.resnet import ResNet

__all__ = [
    "AlexNet",
    "LeNet5",
    "MobileNetV1",
    "MobileNetV2",
    "ModelSpec",
    "ModernLeNet5",
    "OverrideError",
    "ResNet",
    "UnknownModelError",
    "create_model",
    "describe",
    "list_models",
]
