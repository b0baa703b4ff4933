import pytest
import torch
from torch import nn

from convbook.layers import ConvNorm, DepthwiseSeparable


@pytest.mark.parametrize(
    ("kernel_size", "stride", "dilation", "out"),
    [(1, 1, 1, 9), (3, 1, 1, 9), (5, 2, 1, 5), (3, 1, 2, 9), (7, 2, 1, 5)],
)
def test_conv_norm_pads_so_that_only_stride_shrinks(kernel_size, stride, dilation, out):
    layer = ConvNorm(4, 6, kernel_size, stride, dilation=dilation)
    assert layer(torch.zeros(2, 4, 9, 9)).shape == (2, 6, out, out)


def test_conv_norm_is_the_three_layers_and_leaves_the_activation_out_on_request():
    assert [type(m) for m in ConvNorm(4, 4)] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]
    assert [type(m) for m in ConvNorm(4, 4, activation=nn.ReLU6)][-1] is nn.ReLU6
    assert [type(m) for m in ConvNorm(4, 4, activation=None)] == [nn.Conv2d, nn.BatchNorm2d]
    assert ConvNorm(4, 4)[0].bias is None


def test_conv_norm_refuses_even_kernels_and_groups_that_do_not_divide():
    with pytest.raises(ValueError, match="odd"):
        ConvNorm(4, 4, 2)
    with pytest.raises(ValueError, match="groups=3"):
        ConvNorm(4, 6, groups=3)


def test_a_depthwise_filter_sees_its_own_channel_only():
    layer = DepthwiseSeparable(3, 5).eval()
    x = torch.randn(1, 3, 6, 6)
    changed = x.clone()
    changed[:, 1] += 1
    before, after = layer.depthwise[0](x), layer.depthwise[0](changed)
    assert (before != after).any(dim=(0, 2, 3)).tolist() == [False, True, False]


def test_a_separable_pair_costs_the_papers_fraction_of_a_full_convolution():
    def weights(module: nn.Module) -> int:
        return sum(p.numel() for p in module.parameters() if p.ndim == 4)

    share = weights(DepthwiseSeparable(512, 512)) / weights(ConvNorm(512, 512, 3))
    assert share == pytest.approx(1 / 512 + 1 / 9)  # Howard et al. 2017, section 3.1
