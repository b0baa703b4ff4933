"""Mistakes planted into the lab on residuals, bottlenecks and cardinality."""

from grading.mistakes import Mistake

BOTTLENECK = """\
            nn.Conv2d(channels_in, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False),
"""

MISTAKES = [
    Mistake(
        ("conv_weights",),
        "return (channels_in // groups) * channels_out * kernel_size**2",
        "return channels_in * channels_out * kernel_size**2",
        "counts every filter as if it saw all channels",
    ),
    Mistake(
        ("grouped_conv",),
        "F.conv2d(part, filters, padding=1) for part, filters in slices], dim=1)",
        "F.conv2d(part, filters) for part, filters in slices], dim=1)",
        "forgets the padding, so that maps shrink",
    ),
    Mistake(
        ("grouped_conv",),
        "    slices = zip(x.chunk(groups, dim=1), weight.chunk(groups, dim=0), strict=True)\n"
        "    return torch.cat([F.conv2d(part, filters, padding=1) for part, filters in slices], dim=1)",
        "    return F.conv2d(x, weight, padding=1, groups=groups)",
        "leaves the work to the argument that the exercise rules out",
    ),
    Mistake(
        ("grouped_conv",),
        "weight.chunk(groups, dim=0)",
        "reversed(weight.chunk(groups, dim=0))",
        "gives each group the filters of another",
    ),
    Mistake(
        ("ResidualBlock",),
        "        return F.relu(self.branch(x) + x)",
        "        return F.relu(self.branch(x)) + x",
        "adds the input after the last ReLU",
    ),
    Mistake(
        ("ResidualBlock",),
        "nn.Conv2d(channels, channels, 3, padding=1, bias=False),\n            nn.BatchNorm2d(channels),\n"
        "            nn.ReLU(),\n            nn.Conv2d(channels, channels, 3, padding=1, bias=False),",
        "nn.Conv2d(channels, channels, 3, padding=1),\n            nn.BatchNorm2d(channels),\n"
        "            nn.ReLU(),\n            nn.Conv2d(channels, channels, 3, padding=1),",
        "keeps biases that the norm takes away again",
    ),
    Mistake(
        ("make_shortcut",),
        "    if channels_in == channels_out and stride == 1:\n",
        "    if channels_in == channels_out:\n",
        "forgets that a stride alone changes the shape",
    ),
    Mistake(
        ("make_shortcut",),
        "        nn.BatchNorm2d(channels_out),\n    )",
        "        nn.BatchNorm2d(channels_out),\n        nn.ReLU(),\n    )",
        "puts a ReLU on the shortcut",
    ),
    Mistake(
        ("Bottleneck",),
        BOTTLENECK,
        BOTTLENECK.replace("stride=stride, ", "").replace("width, 1, ", "width, 1, stride=stride, "),
        "strides in the 1x1 convolution",
    ),
    Mistake(
        ("AggregatedBottleneck",),
        "                width, width, 3, stride=stride, padding=1, groups=cardinality, bias=False",
        "                width, width, 3, stride=stride, padding=1, bias=False",
        "leaves the groups out",
    ),
    Mistake(
        ("matched_width",),
        "return 256 * total + 9 * width * total + total * 256",
        "return 9 * width * total",
        "counts the 3x3 convolution alone",
    ),
]
