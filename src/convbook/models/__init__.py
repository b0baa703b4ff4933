"""Networks by name, a family a file, each as its paper published it.

Importing this package registers every family in its folder; ask :func:`list_models` for the names.
"""

from importlib import import_module
from pkgutil import iter_modules

from convbook.models.registry import (
    ModelSpec,
    OverrideError,
    UnknownModelError,
    create_model,
    describe,
    list_models,
)
from convbook.models.weights import WeightsError, load_torchvision_weights

for _family in iter_modules(__path__, __name__ + "."):
    import_module(_family.name)

__all__ = [
    "ModelSpec",
    "OverrideError",
    "UnknownModelError",
    "WeightsError",
    "create_model",
    "describe",
    "list_models",
    "load_torchvision_weights",
]
