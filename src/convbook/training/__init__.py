"""Training: a recipe, a loop, and the history that it leaves."""

from convbook.training.augment import affine, colour, compose, crop_flip, cutout, elastic, flip, shift
from convbook.training.checkpoint import CheckpointError, Checkpoints, colab_folder
from convbook.training.devices import DeviceError, pick_device
from convbook.training.evaluation import evaluate, predict
from convbook.training.fit import fit
from convbook.training.history import History
from convbook.training.mix import cutmix, mixup
from convbook.training.optimizers import learning_rate, make_optimizer, parameter_groups
from convbook.training.randomness import seed_everything
from convbook.training.recipe import Recipe
from convbook.training.run import DivergenceError
from convbook.training.step import OutOfMemoryError
from convbook.training.stopping import Terminated

__all__ = [
    "CheckpointError",
    "Checkpoints",
    "DeviceError",
    "DivergenceError",
    "History",
    "OutOfMemoryError",
    "Recipe",
    "Terminated",
    "affine",
    "colab_folder",
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
