"""CondenseNet: a hand count, pruning as scheduled, and the sparse form that computes the same."""

import pytest
import torch
from proof import parameters
from torch import nn

from convbook import create_model
from convbook.layers.learned_group import IndexedGroupConv, LearnedGroupConv
from convbook.profile import profile

TINY = {"depths": (2, 2), "growth_rates": (8, 16)}


def count_by_hand(depth: int, growth: tuple[int, ...], condense_factor: int = 4) -> tuple[int, int, int]:
    """Parameters and MACs of the condensed form; operations of ReLUs, pooling and the classifier's biases."""
    channels, side = 2 * growth[0], 32
    params, macs, others = 27 * channels, 27 * channels * side**2, 10
    for k in growth:
        for _ in range(depth):
            learned, spatial = channels * 4 * k // condense_factor, 9 * 4 * k * k // 4
            params += 2 * channels + learned + 2 * 4 * k + spatial
            macs += (learned + spatial) * side**2
            others += (channels + 4 * k) * side**2  # a ReLU before each convolution
            channels += k
        last = k == growth[-1]
        others += channels * side**2 * (2 if last else 1)  # pooling reads each pixel once; the last ReLU
        side = side if last else side // 2
    return params + 2 * channels + channels * 10 + 10, macs + channels * 10, others


def test_parameters_and_macs_are_those_counted_by_hand():
    with torch.device("meta"):
        counted = profile(create_model("condensenet74_cifar", condensed=True), (3, 32, 32))
    params, macs, _ = count_by_hand(12, (8, 16, 32))
    assert (counted.params, counted.macs) == (params, macs)


@pytest.mark.parametrize(
    ("layers", "flops", "params"),
    [
        (50, 28.6, 0.22),
        (74, 51.9, 0.41),
        (86, 65.8, 0.52),
        (98, 81.3, 0.65),
        (110, 98.2, 0.79),
        (122, 116.7, 0.95),
    ],
)
def test_the_authors_flops_count_relus_and_pooling_too(layers, flops, params):
    counted, macs, others = count_by_hand((layers - 2) // 6, (8, 16, 32))
    assert round((macs + others) / 1e6, 1) == flops
    assert round(counted / 1e6, 2) == params


def test_seventy_four_layers_have_weights():
    with torch.device("meta"):
        net = create_model("condensenet74_cifar")
    assert sum(isinstance(m, nn.Conv2d | nn.Linear) for m in net.modules()) == 74


def test_condensing_follows_the_papers_schedule():
    net = create_model("condensenet74_cifar", **TINY)
    layer = next(m for m in net.modules() if isinstance(m, LearnedGroupConv))
    kept = []
    for progress in (0.0, 0.16, 0.17, 0.33, 0.34, 0.49, 0.5, 1.0):
        net.condense(progress)
        kept.append(int(layer.mask[0].sum()) * 4 // layer.in_channels)
    assert kept == [4, 4, 3, 3, 2, 2, 1, 1]


def test_what_is_pruned_is_least_important_and_stays_pruned():
    layer = LearnedGroupConv(4, 4, filter_groups=2, condense_factor=4)
    rows = torch.tensor([[4.0, 3, 2, 1], [4, 3, 2, 1], [1, 2, 3, 4], [1, 2, 3, 4]])
    layer.weight.data = rows[:, :, None, None]
    layer.prune(2)
    assert layer.mask[:, 0].tolist() == [[1, 1, 0, 0], [0, 0, 1, 1]]
    layer.weight.data.fill_(1.0)
    layer.weight.data[:2, 2:] = 9.0  # as large as it may be, it is gone
    layer.prune(1)
    assert layer.mask[:, 0].tolist() == [[1, 1, 0, 0], [0, 0, 1, 1]]
    layer.prune(3)
    assert layer.mask.sum(dim=(1, 2)).tolist() == [1, 1]
    assert (layer.mask[0, 0, 2:] == 0).all()


def test_pruned_weights_change_nothing_and_get_no_gradient():
    torch.manual_seed(0)
    layer = LearnedGroupConv(8, 8)
    layer.prune(3)
    x = torch.randn(2, 8, 3, 3)
    before = layer(x)
    before.sum().backward()
    gone = layer.mask.expand(4, 2, 8).reshape(8, 8) == 0
    assert (layer.weight.grad[gone] == 0).all()
    layer.weight.data[gone] += 1.0
    torch.testing.assert_close(layer(x), before, rtol=0, atol=0)


@pytest.mark.parametrize("progress", [0.0, 0.2, 0.5, 1.0])
def test_the_sparse_form_computes_the_same_at_every_stage(progress):
    torch.manual_seed(0)
    net = create_model("condensenet74_cifar", num_classes=5, **TINY).double()
    images = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    net(images)  # moves the running statistics
    net.condense(progress)
    sparse = net.to_condensed()
    assert not any(isinstance(m, LearnedGroupConv) for m in sparse.modules())
    for mode in (True, False):
        mine, other = net.train(mode)(images), sparse.train(mode)(images)
        torch.testing.assert_close(mine, other, rtol=1e-10, atol=1e-10)


def test_a_converted_network_is_thinner_and_its_state_fits_condensed():
    torch.manual_seed(0)
    net = create_model("condensenet74_cifar", **TINY)
    net.condense(0.5)
    sparse = net.to_condensed().eval()
    other = create_model("condensenet74_cifar", condensed=True, **TINY).eval()
    assert parameters(other) == parameters(sparse) < parameters(net)
    other.load_state_dict(sparse.state_dict())
    images = torch.randn(1, 3, 16, 16)
    torch.testing.assert_close(other(images), sparse(images), rtol=0, atol=0)


def test_conversion_shares_no_memory_and_keeps_mode_and_precision():
    net = create_model("condensenet74_cifar", **TINY).double().eval()
    net.condense(1.0)
    sparse = net.to_condensed()
    assert not sparse.training
    assert {p.dtype for p in sparse.parameters()} == {torch.float64}
    ours = {p.data_ptr() for p in net.parameters()}
    assert ours.isdisjoint(p.data_ptr() for p in sparse.parameters())


def test_index_layers_name_what_each_group_kept():
    torch.manual_seed(0)
    layer = LearnedGroupConv(8, 4, filter_groups=2)
    layer.prune(3)
    indexed = layer.to_indexed()
    assert isinstance(indexed, IndexedGroupConv)
    kept = [row.nonzero().flatten().tolist() for row in layer.mask[:, 0]]
    assert indexed.index.tolist() == kept[0] + kept[1]
    assert indexed.conv.groups == 2


def test_group_lasso_is_the_sum_of_norms_and_has_finite_gradients_where_pruned():
    layer = LearnedGroupConv(4, 4, filter_groups=2)
    layer.weight.data.fill_(3.0)
    assert layer.group_lasso().item() == pytest.approx(2 * 4 * (2 * 9) ** 0.5)
    layer.prune(2)
    layer.group_lasso().backward()
    assert layer.weight.grad.isfinite().all()
    net = create_model("condensenet74_cifar", **TINY)
    assert net.group_lasso() > 0
    assert net.to_condensed().group_lasso() == 0


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="needs one a block"):
        create_model("condensenet74_cifar", depths=(1, 1))
    with pytest.raises(ValueError, match="groups=3 does not divide"):
        create_model("condensenet74_cifar", groups=3)
    with pytest.raises(ValueError, match="condense_factor=5 does not divide 16 channels"):
        create_model("condensenet74_cifar", condense_factor=5)
    with pytest.raises(ValueError, match=r"progress=1.5 is no share of the training: take 0 to 1"):
        create_model("condensenet74_cifar", **TINY).condense(1.5)
