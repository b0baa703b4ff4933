"""Transfer: what one network knows, passed on to another (distillation) or to its successor (Net2Net).

The experiment of Hinton et al. 2015, section 3, with the 28x28 pixels in the middle of MNIST's 32x32:

    def perceptron(hidden, dropout):
        return nn.Sequential(nn.ZeroPad2d(-2), nn.Flatten(), three_linear(28 * 28, hidden, 10, dropout))

    teacher = max_norm(perceptron(1200, dropout=0.5), limit=3.0)
    fit(teacher, train, val, Recipe(epochs=100, augment=shift(2)))
    student = perceptron(800, dropout=0.0)
    fit(student, train, val, objective=Distillation(teacher, temperature=20, soft=0.9))
"""

from convbook.transfer.channels import Net2NetError
from convbook.transfer.constraint import MaxNorm, max_norm
from convbook.transfer.deeper import deeper
from convbook.transfer.distillation import Distillation, distillation_loss, soft_targets
from convbook.transfer.ensemble import Ensemble
from convbook.transfer.specialists import (
    combine,
    confusable_classes,
    make_specialist,
    reduce_labels,
    specialist_set,
)
from convbook.transfer.transfer_set import only_classes, shift_bias, shift_for_share, without_classes
from convbook.transfer.wider import wider

__all__ = [
    "Distillation",
    "Ensemble",
    "MaxNorm",
    "Net2NetError",
    "combine",
    "confusable_classes",
    "deeper",
    "distillation_loss",
    "make_specialist",
    "max_norm",
    "only_classes",
    "reduce_labels",
    "shift_bias",
    "shift_for_share",
    "soft_targets",
    "specialist_set",
    "wider",
    "without_classes",
]
