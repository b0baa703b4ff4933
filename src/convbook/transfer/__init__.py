"""Transfer: what one network knows, passed on to another (distillation) or to its successor (Net2Net)."""

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
