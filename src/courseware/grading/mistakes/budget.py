"""Mistakes planted into the lab on separable convolutions and a budget."""

from courseware.grading.mistakes import Mistake

MISTAKES = [
    Mistake(
        ("separable_cost",),
        "weights = kernel_size**2 * channels_in + channels_in * channels_out",
        "weights = kernel_size**2 * channels_in * channels_out",
        "counts a full convolution",
    ),
    Mistake(
        ("separable_cost",),
        "return weights, weights * size**2",
        "return weights, weights * size",
        "takes one side of the map for its area",
    ),
    Mistake(
        ("affordable_width",),
        "full = kernel_size**2 * channels**2",
        "full = kernel_size**2 * channels",
        "counts one filter for each channel of the full layer, not one for each pair",
    ),
    Mistake(
        ("affordable_width",),
        "    while kernel_size**2 * width + width**2 > full:  # few channels: the filters alone are dear\n"
        "        width -= 1\n",
        "",
        "forgets that few channels can afford less than they had",
    ),
    Mistake(
        ("depthwise_conv",),
        "weight[:, i, j, None, None] * shifted",
        "weight[:, k - 1 - i, k - 1 - j, None, None] * shifted",
        "turns the kernel around, as a mathematician's convolution does",
    ),
    Mistake(
        ("depthwise_conv",),
        "weight[:, i, j, None, None] * shifted",
        "weight[:, j, i, None, None] * shifted",
        "takes rows for columns",
    ),
    Mistake(
        ("depthwise_conv",),
        "    k = weight.shape[-1]\n",
        "    k = weight.shape[-1]\n"
        "    return F.conv2d(x, weight[:, None], None, stride, k // 2, groups=len(weight))\n",
        "leaves the work to PyTorch",
    ),
    Mistake(
        ("SeparableConv",),
        "channels_in, channels_in, 3, stride, padding=1, groups=channels_in, bias=False",
        "channels_in, channels_in, 3, stride, padding=1, bias=False",
        "forgets the groups, so that the first half mixes channels too",
    ),
    Mistake(
        ("SeparableConv",),
        "        return F.relu(self.pointwise_norm(self.pointwise(x)))",
        "        return self.pointwise_norm(self.pointwise(x))",
        "takes the linear end of MobileNetV2's block for MobileNet's",
    ),
    Mistake(
        ("SeparableConv",),
        "self.pointwise = nn.Conv2d(channels_in, channels_out, 1, bias=False)",
        "self.pointwise = nn.Conv2d(channels_in, channels_out, 1)",
        "keeps a bias that the norm takes away again",
    ),
    Mistake(
        ("scaled_channels",),
        "    rounded = max(8, int(exact + 4) // 8 * 8)",
        "    rounded = max(8, int(exact) // 8 * 8)",
        "rounds down where the nearest is asked for",
    ),
    Mistake(
        ("scaled_channels",),
        "    return rounded + 8 if rounded < 0.9 * exact else rounded",
        "    return rounded",
        "loses a third of the channels where they are few",
    ),
    Mistake(
        ("InvertedResidual",),
        "            nn.Conv2d(hidden, channels_out, 1, bias=False),\n"
        "            nn.BatchNorm2d(channels_out),\n        )",
        "            nn.Conv2d(hidden, channels_out, 1, bias=False),\n"
        "            nn.BatchNorm2d(channels_out),\n            nn.ReLU(),\n        )",
        "puts a ReLU where the block is to end linearly",
    ),
    Mistake(
        ("InvertedResidual",),
        "self.add_input = stride == 1 and channels_in == channels_out",
        "self.add_input = channels_in == channels_out",
        "adds the input although the map has shrunk",
    ),
    Mistake(
        ("BudgetNet",),
        "for width, stride in [(64, 1), (64, 1), (128, 2), (128, 1)]:",
        "for width, stride in [(64, 1), (64, 1), (512, 2), (512, 1)]:",
        "spends more parameters than there are",
    ),
    Mistake(
        ("BudgetNet",),
        "return self.head(self.features(x).mean(dim=(2, 3)))",
        "return self.features(x).mean(dim=(2, 3))",
        "forgets the head",
    ),
    Mistake(
        ("BudgetNet",),
        "conv(3, 16, 3, 2) + conv(16, 32, 3, 2)",
        "conv(3, 16, 3, 1) + conv(16, 32, 3, 1)",
        "never shrinks the map where it is large",
    ),
]
