"""Mistakes planted into the lab on receptive fields."""

from courseware.grading.mistakes import Mistake

MISTAKES = [
    Mistake(
        ("receptive_field",),
        "        field += (kernel - 1) * dilation * jump\n        jump *= stride\n",
        "        jump *= stride\n        field += (kernel - 1) * dilation * jump\n",
        "lets a layer's own stride widen its window",
    ),
    Mistake(
        ("receptive_field",),
        "        field += (kernel - 1) * dilation * jump\n",
        "        field += (kernel - 1) * dilation\n",
        "forgets that inputs lie a jump apart after strides",
    ),
    Mistake(
        ("input_box",),
        "    for kernel, stride, padding, dilation in reversed(layers):\n        first = first",
        "    for kernel, stride, padding, dilation in layers:\n        first = first",
        "goes from the first layer to the last",
    ),
    Mistake(
        ("input_box",),
        "        last = last * stride - padding + (kernel - 1) * dilation\n",
        "        last = last * stride - padding + kernel * dilation - 1\n",
        "counts a dilated window as if its last tap were as wide as its gaps",
    ),
    Mistake(
        ("stack_for",),
        "    depth = (kernel - 1) // 2\n    return depth, ",
        "    depth = -(-kernel // 3)\n    return depth, ",
        "divides the kernel by three",
    ),
    Mistake(
        ("influence",),
        "    return gradient.abs().sum(dim=1).mean(dim=0)",
        "    return gradient.sum(dim=1).mean(dim=0).abs()",
        "lets gradients of opposite sign cancel",
    ),
    Mistake(
        ("influence",),
        "        if number < len(weights):\n            x = F.relu(x)\n",
        "        x = F.relu(x)\n",
        "puts a ReLU after the last convolution, too",
    ),
    Mistake(
        ("influence",),
        "x[:, :, row, column].sum(), images)",
        "x[:, 0, row, column].sum(), images)",
        "listens to the first channel alone",
    ),
    Mistake(
        ("vgg_stage",),
        "        channels_in = channels_out\n",
        "",
        "gives every convolution the channels of the first",
    ),
    Mistake(
        ("vgg_stage",),
        "        layers += [nn.Conv2d(channels_in, channels_out, 3, padding=1), nn.ReLU()]\n",
        "        layers += [nn.Conv2d(channels_in, channels_out, 3, padding=1)]\n",
        "leaves the ReLUs out",
    ),
    Mistake(
        ("VGG",),
        "        return self.head(self.features(x).mean(dim=(2, 3)))",
        "        return self.head(self.features(x).amax(dim=(2, 3)))",
        "takes the maximum of each map for its mean",
    ),
    Mistake(
        ("VGG",),
        "                layers += [nn.Conv2d(channels, each, 3, padding=1), nn.ReLU()]\n",
        "                layers += [nn.Conv2d(channels, each, 3, padding=1, bias=False), nn.ReLU()]\n",
        "leaves the biases out, as is usual before a batch norm",
    ),
    Mistake(
        ("hidden_width",),
        "        return 9 * (2 * channels * width + (depth - 2) * width**2)",
        "        return 9 * depth * width**2",
        "forgets that the stack begins and ends with c channels",
    ),
]
