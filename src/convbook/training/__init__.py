"""Training: a recipe, a loop, and the history that it leaves."""

from convbook.training.augment import affine, colour, compose, crop_flip, cutout, elastic, flip, shift
from convbook.training.devices import DeviceError, pick_device, seed_everything
from convbook.training.evaluation import evaluate, predict
from convbook.training.fit import DivergenceError, fit
from convbook.training.history import History
from convbook.training.mix import cutmix, mixup
from convbook.training.optimizers import learning_rate, make_optimizer, parameter_groups
from convbook.training.recipe import Recipe

__all__ = [
    "DeviceError",
    "DivergenceError",
    "History",
    "Recipe",
    "affine",
    "colour",
    "compose",
    "crop_flip",
    "cutmix",
    "cutout",
    "elastic",
    "evaluate",
    "fit",
    "flip",
    "learning_rate",
    "make_optimizer",
    "mixup",
    "parameter_groups",
    "pick_device",
    "predict",
    "seed_everything",
    "shift",
]
