"""Mistakes planted into the lab on convolution by hand."""

from courseware.grading.mistakes import Mistake

MISTAKES = [
    Mistake(
        ("output_size",),
        "return (size + 2 * padding - kernel) // stride + 1",
        "return (size + padding - kernel) // stride + 1",
        "pads one end only",
    ),
    Mistake(
        ("output_size",),
        "return (size + 2 * padding - kernel) // stride + 1",
        "return -(-(size + 2 * padding - kernel) // stride) + 1",
        "counts the window that sticks out",
    ),
    Mistake(
        ("conv_by_hand",),
        "    y = bias.view(1, -1, 1, 1).expand(len(x), -1, height, width)",
        "    y = x.new_zeros(len(x), len(bias), height, width)",
        "forgets the bias",
    ),
    Mistake(
        ("conv_by_hand",),
        'torch.einsum("nchw,oc->nohw", x[:, :, rows, columns], weight[:, :, i, j])',
        'torch.einsum("nchw,oc->nohw", x[:, :, rows, columns], weight[:, :, -1 - i, -1 - j])',
        "mirrors the kernel, as mathematicians do",
    ),
    Mistake(
        ("conv_by_hand",),
        "    y = bias.view(1, -1, 1, 1).expand(len(x), -1, height, width)",
        "    return F.conv2d(x, weight, bias, stride)",
        "leaves the work to PyTorch",
    ),
    Mistake(
        ("max_pool",),
        "    return torch.stack(shifted).amax(dim=0)",
        "    return torch.stack([torch.zeros_like(shifted[0]), *shifted]).amax(dim=0)",
        "starts from zero, which is larger than any negative value",
    ),
    Mistake(
        ("max_pool",),
        "x[:, :, i : i + stride * height : stride, j : j + stride * width : stride]",
        "x[:, :, i : i + kernel * height : kernel, j : j + kernel * width : kernel]",
        "takes the stride for the kernel",
    ),
    Mistake(
        ("subsample",),
        "    inner = total * coefficient",
        "    inner = total / 4 * coefficient",
        "averages where the paper adds",
    ),
    Mistake(
        ("gradient_for_weight",),
        'torch.einsum("nohw,nchw->oc", upstream, seen)',
        'torch.einsum("nohw,nchw->oc", upstream, seen) / len(x)',
        "averages over the images, which the loss has done already",
    ),
    Mistake(
        ("gradient_for_input",),
        "            result[:, :, rows, columns] += sent",
        "            result[:, :, rows, columns] = sent",
        "overwrites what another window has sent",
    ),
    Mistake(
        ("gradient_for_input",),
        "    return result[:, :, padding : padding + high, padding : padding + wide]",
        "    return result[:, :, :high, :wide]",
        "cuts the padding off at one end only",
    ),
    Mistake(
        ("conv_counts",),
        "    return parameters, parameters * (size - kernel + 1) ** 2",
        "    return parameters, parameters * size**2",
        "takes as many places as there are pixels",
    ),
    Mistake(
        ("LeNet5",),
        "            nn.Linear(120, 84),\n            nn.ReLU(),\n",
        "            nn.Linear(120, 84),\n",
        "forgets a ReLU",
    ),
    Mistake(
        ("LeNet5",),
        "            nn.Conv2d(6, 16, 5),\n            nn.ReLU(),\n            nn.MaxPool2d(2),",
        "            nn.Conv2d(6, 16, 5),\n            nn.ReLU(),\n            nn.AvgPool2d(2),",
        "pools by the mean",
    ),
]
