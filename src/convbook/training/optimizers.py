"""Optimisers and learning-rate schedules."""

import math

from torch import nn, optim
from torch.nn import Parameter

from convbook.layers.grouped import is_depthwise
from convbook.training.recipe import Recipe


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Two groups for an optimiser: parameters that decay and parameters that do not.

    Norms' scales, biases and other vectors are spared: shrinking them does not make a network simpler. So are
    depthwise kernels, which hold few weights a channel (Howard et al. 2017, section 3.2).
    """
    depthwise = {id(module.weight) for module in model.modules() if is_depthwise(module)}
    decayed: list[Parameter] = []
    spared: list[Parameter] = []
    for parameter in model.parameters():
        if parameter.requires_grad:
            spare = parameter.ndim <= 1 or id(parameter) in depthwise
            (spared if spare else decayed).append(parameter)
    if not decayed and not spared:
        raise ValueError("the model has no trainable parameter")
    groups = [(decayed, weight_decay), (spared, 0.0)]
    return [{"params": params, "weight_decay": decay} for params, decay in groups if params]


def make_optimizer(model: nn.Module, recipe: Recipe) -> optim.Optimizer:
    """SGD with momentum, AdamW or RMSProp over :func:`parameter_groups`.

    Fused, that is one kernel for all parameters: a small network has many, and a call for each would show.
    """
    groups = parameter_groups(model, recipe.weight_decay)
    if recipe.optimizer == "adamw":
        return optim.AdamW(groups, lr=recipe.lr, fused=True)
    if recipe.optimizer == "rmsprop":  # has no fused form
        return optim.RMSprop(groups, lr=recipe.lr, alpha=0.9, momentum=recipe.momentum)
    nesterov = recipe.nesterov and recipe.momentum > 0
    return optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=nesterov, fused=True)


def learning_rate(step: int, steps: int, recipe: Recipe) -> float:
    """The rate for step ``step`` of ``steps``, counted from 0.

    It climbs linearly to ``recipe.lr`` during the warm-up. Of what is left, "one_cycle" falls linearly to
    zero, "cosine" along half a cosine, "exponential" by equal factors to ``gamma`` of it; "step" multiplies
    it by ``gamma`` at each milestone (a tenth from the half and a hundredth from three quarters on, unless
    said otherwise, as He et al. 2016, section 4.2); "constant" stays.
    """
    share = recipe.warmup
    if share is None:
        share = 0.2 if recipe.schedule == "one_cycle" else 0.0
    warmup = round(share * steps)
    if step < warmup:
        return recipe.lr * (step + 1) / (warmup + 1)
    done = (step - warmup) / (steps - warmup)  # 0 at the top, below 1 at the last step
    if recipe.schedule == "one_cycle":
        return recipe.lr * (1 - done)
    if recipe.schedule == "cosine":
        return recipe.lr * (1 + math.cos(math.pi * done)) / 2
    if recipe.schedule == "exponential":
        return recipe.lr * recipe.gamma**done
    if recipe.schedule == "step":
        return recipe.lr * recipe.gamma ** sum(done >= milestone for milestone in recipe.milestones)
    return recipe.lr
