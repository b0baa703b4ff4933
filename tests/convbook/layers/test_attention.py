import pytest
import torch
from torch import nn
from torchvision.ops import SqueezeExcitation

from convbook.layers import (
    CBAM,
    ChannelGate,
    CompetitiveSqueezeExcite,
    ConcurrentSqueezeExcite,
    SpatialGate,
    SpatialSqueezeExcite,
    SqueezeExcite,
)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(2, 32, 6, 5, generator=torch.Generator().manual_seed(0))


def size(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_squeeze_excite_computes_what_torchvisions_does(images):
    ours, theirs = SqueezeExcite(32, 8), SqueezeExcitation(32, 4, scale_activation=nn.Sigmoid)
    with torch.no_grad():
        for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            mine.copy_(other)
    torch.testing.assert_close(ours(images), theirs(images))


def test_squeeze_excite_adds_two_matrices_and_their_biases():
    assert size(SqueezeExcite(256, 16)) == 2 * 256 * 256 // 16 + 256 // 16 + 256


def test_channel_gate_is_the_papers_equation_2(images):
    gate = ChannelGate(32, 16)
    down, _, up = gate.mlp

    def mlp(described: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu(nn.functional.linear(described, down.weight.flatten(1), down.bias))
        return nn.functional.linear(hidden, up.weight.flatten(1), up.bias)

    flat = images.flatten(2)
    expected = torch.sigmoid(mlp(flat.mean(dim=2)) + mlp(flat.max(dim=2).values))
    assert gate(images).shape == (2, 32, 1, 1)
    torch.testing.assert_close(gate(images).flatten(1), expected)


def test_spatial_gate_is_the_papers_equation_3_with_a_norm(images):
    gate = SpatialGate(7).eval()
    gate.bn.running_mean.fill_(0.5)
    described = torch.stack([images.mean(dim=1), images.max(dim=1).values], dim=1)
    convolved = nn.functional.conv2d(described, gate.conv.weight, padding=3)
    expected = torch.sigmoid((convolved - 0.5) / (1 + 1e-5) ** 0.5)
    assert gate(images).shape == (2, 1, 6, 5)
    torch.testing.assert_close(gate(images), expected)
    assert size(gate) == 2 * 49 + 2


def test_cbam_gates_positions_of_the_channel_gated_maps(images):
    module = CBAM(32).eval()
    inner = images * module.channel_gate(images)
    torch.testing.assert_close(module(images), inner * module.spatial_gate(inner))


def test_scse_keeps_the_larger_of_its_two_parts_or_adds_them(images):
    module = ConcurrentSqueezeExcite(32)
    by_channel, by_position = module.channel(images), module.spatial(images)
    torch.testing.assert_close(module(images), torch.where(by_channel > by_position, by_channel, by_position))
    module.merge = "add"
    torch.testing.assert_close(module(images), by_channel + by_position)
    assert size(module) == size(SqueezeExcite(32, 2)) + 32 + 1


def test_competitive_gate_depends_on_the_identity_and_scales_the_residual(images):
    module = CompetitiveSqueezeExcite(32)
    residual, identity = images, images.flip(0) + 1
    out = module(residual, identity)
    assert not torch.allclose(out, module(residual, -identity))
    scale = out / residual  # one number a channel
    torch.testing.assert_close(scale, scale[:, :, :1, :1].expand_as(scale), rtol=1e-4, atol=1e-5)
    assert size(module) == 2 * (32 * 2 + 2) + 4 * 32 + 32


@pytest.mark.parametrize(
    ("module", "names", "shape"),
    [
        (SqueezeExcite(32), ["gate"], (2, 32, 1, 1)),
        (SpatialSqueezeExcite(32), ["gate"], (2, 1, 6, 5)),
        (CBAM(32), ["channel_gate"], (2, 32, 1, 1)),
        (CBAM(32), ["spatial_gate"], (2, 1, 6, 5)),
        (ConcurrentSqueezeExcite(32), ["channel.gate"], (2, 32, 1, 1)),
        (ConcurrentSqueezeExcite(32), ["spatial.gate"], (2, 1, 6, 5)),
        (CompetitiveSqueezeExcite(32), ["gate"], (2, 32, 1, 1)),
    ],
)
def test_a_forward_hook_reads_each_gate(module, names, shape, images):
    seen = []
    for name in names:
        module.get_submodule(name).register_forward_hook(lambda _module, _inputs, out: seen.append(out))
    module(images, images) if isinstance(module, CompetitiveSqueezeExcite) else module(images)
    assert [gate.shape for gate in seen] == [shape]
    assert all(((gate > 0) & (gate < 1)).all() for gate in seen)


def test_impossible_gates_are_refused():
    for layer in (SqueezeExcite, ChannelGate, CompetitiveSqueezeExcite):
        with pytest.raises(ValueError, match="reduction <= 8"):
            layer(8, 16)
    with pytest.raises(ValueError, match="odd"):
        SpatialGate(4)
    with pytest.raises(ValueError, match='"max" or "add"'):
        ConcurrentSqueezeExcite(8, merge="mean")
