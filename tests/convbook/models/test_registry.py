import subprocess
import sys

import pytest

import convbook
from convbook import create_model, describe, list_models
from convbook.models import OverrideError, UnknownModelError
from convbook.models.registry import register

PROMISED = """
lenet1 lenet4 lenet5 lenet5_modern alexnet alexnet_one_tower zfnet nin_cifar nin_imagenet vgg11
vgg11_lrn vgg13 vgg16_c vgg16 vgg19 vgg11_bn vgg13_bn vgg16_bn vgg19_bn googlenet inception_naive
bn_inception inception_v2 inception_v3 inception_v4 inception_resnet_v1 inception_resnet_v2
highway19_cifar highway32_cifar plain18 plain34 plain20_cifar plain56_cifar resnet18 resnet34 resnet50
resnet101 resnet152 resnet20_cifar resnet32_cifar resnet44_cifar resnet56_cifar resnet110_cifar
resnet1202_cifar preact_resnet110_cifar preact_resnet164_cifar preact_resnet1001_cifar densenet121
densenet169 densenet201 densenet264 densenet100_12_cifar densenetbc100_12_cifar densenetbc190_40_cifar
densenetbc250_24_cifar fractalnet20_cifar wide_resnet40_1_cifar wide_resnet40_2_cifar
wide_resnet40_4_cifar wide_resnet40_8_cifar wide_resnet28_10_cifar wide_resnet28_12_cifar
wide_resnet22_8_cifar wide_resnet22_10_cifar wide_resnet16_8_cifar wide_resnet16_10_cifar
pyramidnet110_a48_cifar pyramidnet110_a84_cifar pyramidnet110_a270_cifar pyramidnet164_a270_cifar
xception resnext50_32x4d resnext101_32x4d resnext101_64x4d resnext29_8x64d_cifar resnext29_16x64d_cifar
squeezenet1_0 squeezenet1_1 mobilenet_v1 mobilenet_v1_full mobilenet_v1_shallow mobilenet_v2
mobilenet_v3_large mobilenet_v3_small shufflenet_v1_g1 shufflenet_v1_g2 shufflenet_v1_g3
shufflenet_v1_g4 shufflenet_v1_g8 shufflenet_v2_x0_5 shufflenet_v2_x1_0 shufflenet_v2_x1_5
shufflenet_v2_x2_0 condensenet74_cifar se_resnet50 se_resnet101 se_resnet152 se_resnext50_32x4d
se_resnet20_cifar cmpe_se_resnet110_cifar cmpe_se_resnet20_cifar cbam_resnet18 cbam_resnet34
cbam_resnet50 cbam_resnet20_cifar scse_resnet20_cifar scse residual_attention56
residual_attention92 channel_boosted_resnet20_cifar allcnn_a_cifar allcnn_b_cifar allcnn_c_cifar
simplenet_cifar simpnet_cifar simpnet_slim_300k_cifar simpnet_slim_600k_cifar msdnet_cifar hrnet_w18
hrnet_w32 icnn fabric_cifar nasnet_a_mobile nasnet_a_large enet linknet
"""


def test_every_promised_network_is_listed():
    assert set(PROMISED.split()) <= set(list_models())


def test_a_pattern_selects_and_sorts():
    assert list_models("resnext*_cifar") == ["resnext29_16x64d_cifar", "resnext29_8x64d_cifar"]
    assert list_models("nothing*") == []


def test_an_unknown_name_tells_which_names_are_near():
    with pytest.raises(UnknownModelError, match=r"unknown model 'ResNet-50'.*\bresnet50\b") as caught:
        create_model("ResNet-50")
    assert isinstance(caught.value, ValueError)
    assert "\n" not in str(caught.value)
    with pytest.raises(UnknownModelError, match="list_models"):
        create_model("zzzzzz")


def test_a_wrong_override_tells_which_ones_are_legal():
    with pytest.raises(
        OverrideError, match=r"resnet50 takes no argument 'dephts'.*depths.*num_classes"
    ) as caught:
        create_model("resnet50", dephts=(1, 1, 1, 1))
    assert isinstance(caught.value, TypeError)


def test_describe_tells_what_the_paper_used():
    spec = describe("se_resnet50")
    assert (spec.name, spec.family, spec.paper, spec.year) == (
        "se_resnet50",
        "se_resnet",
        "hu2018squeeze",
        2018,
    )
    assert (spec.input_size, spec.num_classes) == ((3, 224, 224), 1000)
    assert spec.kwargs["attention"] == "se"
    assert {"depths", "attention", "num_classes", "in_channels"} <= set(spec.arguments)
    with pytest.raises(TypeError):
        spec.kwargs["attention"] = "cbam"


def test_overrides_replace_the_variants_own_and_leave_it_as_it_was():
    tiny = create_model("resnet20_cifar", in_channels=1, num_classes=3, depths=(1, 1, 1), widths=(8, 16, 32))
    assert (tiny.conv1.in_channels, tiny.conv1.out_channels, tiny.fc.out_features) == (1, 8, 3)
    assert describe("resnet20_cifar").kwargs["depths"] == (3, 3, 3)


def test_a_name_can_be_taken_only_once():
    spec = describe("resnet18")
    with pytest.raises(ValueError, match="registered already"):
        register(
            spec.cls,
            {"resnet18": {}},
            family="f",
            paper="p",
            year=1,
            input_size=spec.input_size,
            num_classes=1,
        )


def test_import_pulls_in_no_plotting_notebook_or_learning_library():
    heavy = ("matplotlib", "sklearn", "IPython", "ipywidgets", "timm", "courseware")
    script = f"import sys, convbook; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_import_takes_at_most_three_tenths_of_a_second_beyond_torch_and_torchvision():
    script = "import gc, time, torch, torchvision; gc.freeze(); "  # torch's objects are not walked meanwhile
    script += "start = time.process_time(); import convbook; print(time.process_time() - start)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert float(done.stdout) <= 0.3


def test_the_version_is_that_of_the_installed_package():
    assert convbook.__version__[0].isdigit()


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("resnet18", {"num_classes": 0}, r"num_classes=0 is not possible: take 1 or more"),
        ("resnet18", {"in_channels": -3}, r"in_channels=-3 is not possible: take 1 or more"),
        ("resnet18", {"widths": (8, -8, 8, 8)}, r"widths=\(8, -8, 8, 8\) is not possible"),
        ("resnet18", {"depths": (2, 0, 2, 2)}, r"depths=\(2, 0, 2, 2\) is not possible"),
        ("resnext50_32x4d", {"cardinality": 0}, r"cardinality=0 is not possible: take 1 or more"),
        ("mobilenet_v1", {"width_mult": -0.5}, r"width_mult=-0.5 is not possible: take 0 or more"),
        ("mobilenet_v1", {"config": ((64, 1), (-1, 2))}, r"config="),
        ("mobilenet_v2", {"dropout": float("nan")}, r"dropout=nan is not possible"),
    ],
)
def test_counts_below_one_and_negative_numbers_are_refused_by_name(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        create_model(name, **arguments)


def test_a_dropout_of_zero_is_no_mistake():
    create_model("mobilenet_v2", dropout=0.0, width_mult=0.25)
    create_model("mobilenet_v2", dropout=0, width_mult=1)
