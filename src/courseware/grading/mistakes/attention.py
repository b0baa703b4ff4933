"""Mistakes planted into the lab on attention."""

from courseware.grading.mistakes import Mistake

MISTAKES = [
    Mistake(
        ("squeeze_excite",),
        "    z = x.mean(dim=(2, 3))\n    hidden",
        "    z = x.amax(dim=(2, 3))\n    hidden",
        "squeezes by the maximum, as only CBAM does",
    ),
    Mistake(
        ("squeeze_excite",),
        "torch.relu(z @ w1.T + b1)",
        "z @ w1.T + b1",
        "leaves the ReLU out, so that the two matrices are one",
    ),
    Mistake(
        ("se_parameters",),
        "return 2 * channels * hidden + hidden + channels",
        "return 2 * channels * hidden",
        "counts weights without biases",
    ),
    Mistake(
        ("SqueezeExcite",),
        "        return x * self.gate(x)",
        "        return self.gate(x)",
        "returns the gates in place of the scaled maps",
    ),
    Mistake(
        ("ChannelGate",),
        "torch.sigmoid(self.mlp(x.mean(dim=(2, 3))) + self.mlp(x.amax(dim=(2, 3))))",
        "torch.sigmoid(self.mlp(x.mean(dim=(2, 3)))) + torch.sigmoid(self.mlp(x.amax(dim=(2, 3))))",
        "takes two sigmoids, so that a gate reaches 2",
    ),
    Mistake(
        ("ChannelGate",),
        "            nn.Linear(channels, channels // reduction),\n",
        "            nn.Linear(channels, channels // reduction, bias=False),\n",
        "leaves a bias out",
    ),
    Mistake(
        ("SpatialGate",),
        "torch.stack([x.mean(dim=1), x.amax(dim=1)], dim=1)",
        "torch.stack([x.amax(dim=1), x.mean(dim=1)], dim=1)",
        "stacks the two maps in the other order",
    ),
    Mistake(
        ("SpatialGate",),
        "nn.Conv2d(2, 1, kernel_size, padding=kernel_size // 2, bias=False)",
        "nn.Conv2d(2, 1, kernel_size, padding=3, bias=False)",
        "a padding that fits the default kernel alone",
    ),
    Mistake(
        ("GatedBlock",),
        "        return F.relu(x + change * self.gate(change))",
        "        y = x + change\n        return F.relu(y * self.gate(y))",
        "gates the sum, and with it the shortcut",
    ),
    Mistake(
        ("GatedBlock",),
        "        return F.relu(x + change * self.gate(change))",
        "        return F.relu(x + change * self.gate(x))",
        "computes the gates from the block's input",
    ),
    Mistake(
        ("paired_interval",),
        "for each in differences) / (n - 1)",
        "for each in differences) / n",
        "divides by n where a sample's variance has n - 1",
    ),
    Mistake(
        ("paired_interval",),
        "T[n - 1] * (variance / n) ** 0.5",
        "1.96 * (variance / n) ** 0.5",
        "takes the normal quantile for a handful of seeds",
    ),
]
