"""ConvBook: a course on convolutional network design in which every count is recomputed.

    >>> import convbook
    >>> net = convbook.create_model("resnet20_cifar", in_channels=1)

Images are ``(N, C, H, W)`` everywhere.
"""

from importlib.metadata import PackageNotFoundError, version

from convbook.models import create_model, describe, list_models, load_torchvision_weights

try:
    __version__ = version("convbook")
except PackageNotFoundError:  # run from a copy of the source that was never installed
    __version__ = "0+unknown"

__all__ = ["__version__", "create_model", "describe", "list_models", "load_torchvision_weights"]
