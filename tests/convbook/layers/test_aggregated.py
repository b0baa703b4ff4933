import itertools

import pytest
import torch
from torch import nn

from convbook.layers import EarlyConcatBlock, GroupedBlock, SplitTransformMergeBlock, convert
from convbook.models.resnet_blocks import Bottleneck

FORMS = [SplitTransformMergeBlock, EarlyConcatBlock, GroupedBlock]
PAIRS = list(itertools.permutations(FORMS, 2))


def warmed(form: type[nn.Module], *sizes: int) -> nn.Module:
    """A block whose norms have seen a batch and whose scales are not 1."""
    torch.manual_seed(0)
    block = form(*sizes).double()
    for module in block.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    block(torch.randn(4, sizes[0], 5, 5, dtype=torch.float64))
    return block


@pytest.mark.parametrize("mode", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_forms_compute_the_same_function_and_gradient(source, target, mode):
    block = warmed(source, 24, 4, 3).train(mode)
    other = convert(block, target)
    x = torch.randn(2, 24, 6, 6, dtype=torch.float64)
    results = []
    for each in (block, other):
        images = x.clone().requires_grad_()
        out = each(images)
        out.square().sum().backward()
        results.append((out.detach(), images.grad))
    torch.testing.assert_close(results[0], results[1])
    # one step of training moved the running statistics alike
    torch.testing.assert_close(block.eval()(x), other.eval()(x))


def test_the_papers_block_is_equal_in_all_forms_and_has_70_144_weights():
    grouped = warmed(GroupedBlock, 256, 32, 4).eval()
    x = torch.randn(1, 256, 3, 3, dtype=torch.float64)
    for form in FORMS:
        other = convert(grouped, form)
        torch.testing.assert_close(other(x), grouped(x))
        assert sum(p.numel() for p in other.parameters() if p.ndim == 4) == 70_144


def test_the_grouped_form_is_the_block_that_resnext50_is_made_of():
    grouped = warmed(GroupedBlock, 256, 32, 4).eval()
    block = Bottleneck(256, 64, cardinality=32, base_width=4).double().eval()
    pairs = {
        block.conv1: grouped.reduce[0],
        block.bn1: grouped.reduce[1],
        block.conv2: grouped.transform[0],
        block.bn2: grouped.transform[1],
        block.conv3: grouped.expand,
        block.bn3: grouped.norm,
    }
    for mine, other in pairs.items():
        mine.load_state_dict(other.state_dict())
    x = torch.randn(1, 256, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(block(x), grouped(x))


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_converted_block_shares_no_memory(source, target):
    block = warmed(source, 8, 2, 2)
    other = convert(block, target)
    for parameter in block.parameters():
        parameter.data.zero_()
    assert all(p.abs().sum() > 0 for p in other.parameters())
