"""Mistakes planted into the lab on folklore."""

from courseware.grading.mistakes import Mistake

MISTAKES = [
    Mistake(
        ("verdict",),
        "    if low > 0:\n        return",
        "    if low + high > 0:\n        return",
        "lets the mean decide, whatever the interval",
    ),
    Mistake(
        ("verdict",),
        "    if len(first) < 3:\n        return",
        "    if len(first) < 2:\n        return",
        "lets two pairs decide",
    ),
    Mistake(
        ("verdict",),
        "    low, high = interval([a - b for a, b in zip(first, second, strict=True)])",
        "    (low_a, high_a), (low_b, high_b) = interval(first), interval(second)\n"
        "    low, high = low_a - high_b, high_a - low_b",
        "compares two intervals and throws the pairs away",
    ),
    Mistake(
        ("needed_seeds",),
        "if t[n - 1] * spread / n**0.5 <= effect:",
        "if 1.96 * spread / n**0.5 <= effect:",
        "takes the normal quantile for every number of pairs",
    ),
    Mistake(
        ("needed_seeds",),
        "if t[n - 1] * spread / n**0.5 <= effect:",
        "if t[n] * spread / n**0.5 <= effect:",
        "looks up n where n - 1 degrees of freedom are left",
    ),
    Mistake(
        ("halving",),
        "nn.MaxPool2d(2, ceil_mode=True)",
        "nn.MaxPool2d(2, stride=2)",
        "drops the last row of an odd side on one side of the pair",
    ),
    Mistake(
        ("halving",),
        '    stride = 2 if how == "stride" else 1',
        "    stride = 2",
        "strides and pools",
    ),
    Mistake(
        ("RowNet",),
        "            if number in halve_after:\n                layers",
        "            if number - 1 in halve_after:\n                layers",
        "counts the layers from 0",
    ),
    Mistake(
        ("RowNet",),
        "            layers += [nn.BatchNorm2d(width), nn.ReLU()]\n",
        "            layers += [nn.ReLU(), nn.BatchNorm2d(width)]\n",
        "puts the norm behind the ReLU",
    ),
    Mistake(
        ("row_macs",),
        "        total += size**2 * 9 * in_channels * width\n"
        "        if number in halve_after:\n            size //= 2\n",
        "        if number in halve_after:\n            size //= 2\n"
        "        total += size**2 * 9 * in_channels * width\n",
        "counts a layer at the size behind its pool",
    ),
    Mistake(
        ("matched_width",),
        "        return convolutions + depth * 2 * width + 10 * width + 10",
        "        return convolutions",
        "counts convolutions alone",
    ),
    Mistake(
        ("matched_width",),
        "key=lambda width: abs(parameters(width) - budget))",
        "key=lambda width: (parameters(width) > budget, -width))",
        "takes the largest width within the budget, not the nearest",
    ),
    Mistake(
        ("variance_ratio",),
        "    second_moment = (std**2 + mean**2) / (1 - p)",
        "    second_moment = std**2 / (1 - p) + mean**2",
        "forgets that dropout makes the mean itself noisy",
    ),
    Mistake(
        ("variance_ratio",),
        "    second_moment = (std**2 + mean**2) / (1 - p)",
        "    second_moment = (std**2 + mean**2) * (1 - p)",
        "forgets that dropout scales what it keeps",
    ),
]
