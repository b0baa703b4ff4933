"""SqueezeNet against torchvision and against the counts of the paper's tables."""

import pytest
import torch
import torchvision
from proof import assert_same_function, parameters, shapes

from convbook import create_model
from convbook.models import load_torchvision_weights
from convbook.models.squeezenet import Fire
from convbook.profile import profile


@pytest.mark.parametrize("name", ["squeezenet1_0", "squeezenet1_1"])
def test_torchvisions_weights_load_and_compute_the_same(name):
    torch.manual_seed(0)
    theirs = torchvision.models.get_model(name, weights=None, num_classes=10, dropout=0.0).double()
    ours = create_model(name, num_classes=10, dropout=0.0).double()
    load_torchvision_weights(ours, theirs.state_dict())
    assert_same_function(ours, theirs, 64)


@pytest.mark.parametrize("name", ["squeezenet1_0", "squeezenet1_1"])
def test_every_tensor_has_torchvisions_name_and_shape(name):
    with torch.device("meta"):
        assert shapes(create_model(name)) == shapes(torchvision.models.get_model(name))


def test_each_layer_has_the_parameters_of_table_1():
    printed = [14_208, 11_920, 12_432, 45_344, 49_440, 104_880, 111_024, 188_992, 197_184, 513_000]
    with torch.device("meta"):
        net = create_model("squeezenet1_0")
    fires = [module for module in net.features if isinstance(module, Fire)]
    assert [parameters(module) for module in (net.features[0], *fires, net.classifier)] == printed
    assert parameters(net) == sum(printed) == 1_248_424


def test_a_simple_bypass_is_free_and_a_complex_one_costs_its_four_convolutions():
    with torch.device("meta"):
        plain = create_model("squeezenet1_0")
        simple = create_model("squeezenet1_0", bypass="simple")
        complex_ = create_model("squeezenet1_0", bypass="complex")
    widths = ((96, 128), (128, 256), (256, 384), (384, 512))  # around fire2, fire4, fire6, fire8
    assert parameters(simple) == parameters(plain)
    assert parameters(complex_) - parameters(plain) == sum(i * o + o for i, o in widths)


def test_bypasses_stand_where_figure_2_has_them():
    with torch.device("meta"):
        net = create_model("squeezenet1_0", bypass="complex")
    fires = [module for module in net.features if isinstance(module, Fire)]
    assert [fire.adds_input for fire in fires] == [False, True] * 4  # fire3, fire5, fire7, fire9
    assert [fire.bypass is not None for fire in fires] == [True, False] * 4


def test_a_bypass_adds_the_input_after_the_expansion():
    torch.manual_seed(0)
    x = torch.randn(1, 16, 5, 5)
    plain, simple = Fire(16, 4, 8), Fire(16, 4, 8, "simple")
    simple.load_state_dict(plain.state_dict())
    torch.testing.assert_close(simple(x) - plain(x), x)
    projected = Fire(12, 4, 8, "complex")
    projected.expand1x1.weight.data.zero_()
    projected.expand3x3.weight.data.zero_()
    projected.expand1x1.bias.data.zero_()
    projected.expand3x3.bias.data.zero_()
    torch.testing.assert_close(projected(x[:, :12]), projected.bypass(x[:, :12]))


def test_the_maps_are_as_large_as_table_1_prints():
    with torch.device("meta"):
        table = profile(create_model("squeezenet1_0"), (3, 227, 227))  # the size at which conv1 gives 111
    assert [table.layer(f"features.{i}").output_shape[1] for i in (0, 2, 6, 11)] == [111, 55, 27, 13]


def test_an_unknown_bypass_is_refused():
    with pytest.raises(ValueError, match=r'bypass=.dense. is unknown: take None, "simple" or "complex"'):
        create_model("squeezenet1_0", bypass="dense")
