"""Roy et al. 2018: what each gate adds to the plain U-Net, and that the gates are what the figure shows."""

import pytest
import torch
from proof import parameters
from torch import nn

from convbook import create_model

ENCODER_AND_DECODER_BLOCKS, C = 8, 64
ADDED = {  # weights and biases of the gates behind eight blocks of 64 channels
    None: 0,
    "cse": ENCODER_AND_DECODER_BLOCKS * (2 * C * C // 2 + C // 2 + C),
    "sse": ENCODER_AND_DECODER_BLOCKS * (C + 1),
    "scse": ENCODER_AND_DECODER_BLOCKS * (2 * C * C // 2 + C // 2 + C + C + 1),
}


def count(attention: str | None) -> int:
    with torch.device("meta"):
        return parameters(create_model("scse", attention=attention))


def by_hand() -> int:
    """Eighteen normalised 5x5 convolutions, one of them on the image, four on skipped maps as well."""
    convs = 25 * (1 * C + 17 * C * C + 4 * C * C)
    return convs + 18 * 2 * C + (C + 1) * 28


@pytest.mark.parametrize("attention", ADDED)
def test_gates_add_what_section_2_says_to_a_u_net_counted_by_hand(attention):
    assert count(attention) - by_hand() == ADDED[attention]


def test_weights_of_the_gates_are_the_33_thousand_that_the_paper_prints():
    with torch.device("meta"):
        model = create_model("scse")
    gates = [m for m in model.modules() if type(m).__name__ == "ConcurrentSqueezeExcite"]
    weights = sum(p.numel() for gate in gates for p in gate.parameters() if p.ndim > 1)
    assert weights == ENCODER_AND_DECODER_BLOCKS * (C * C + C) == 33_280
    assert 0.015 < weights / count(None) < 0.016


def test_a_pixel_gets_its_logits_at_any_size():
    model = create_model("scse", widths=(4, 6), bottom=8, kernel_size=3).eval()
    for size in ((4, 4), (7, 9), (16, 13)):
        assert model(torch.randn(1, 1, *size)).shape == (1, 28, *size)


def test_the_skipped_map_reaches_the_decoder_gated():
    torch.manual_seed(0)
    model = create_model("scse", widths=(4,), bottom=4, kernel_size=3).eval()
    x = torch.randn(1, 1, 6, 6)
    skip = model.encoder[0].attention(model.encoder[0].convs(x))
    below = model.bottom.convs(nn.functional.max_pool2d(skip, 2))
    raised = nn.functional.interpolate(below, scale_factor=2, mode="bilinear")
    block = model.decoder[0]
    out = model.classifier(block.attention(block.convs(torch.cat([skip, raised], dim=1))))
    torch.testing.assert_close(model(x), out)


def test_open_gates_make_the_plain_twin():
    torch.manual_seed(0)
    small = {"widths": (4, 4), "bottom": 4, "kernel_size": 3}
    plain = create_model("scse", attention=None, **small).eval()
    gated = create_model("scse", attention="cse", **small).eval()
    gated.load_state_dict(plain.state_dict(), strict=False)
    for key, parameter in gated.named_parameters():
        if key.endswith("gate.3.bias"):
            nn.init.constant_(parameter, 100.0)  # a sigmoid of 1
    x = torch.randn(2, 1, 8, 8)
    torch.testing.assert_close(gated(x), plain(x))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"attention": "se"}, "take None or one of cse, sse, scse"),
        ({"merge": "mean"}, '"max" or "add"'),
        ({"widths": ()}, "at least one width"),
        ({"kernel_size": 4}, "odd"),
        ({"reduction": 128}, "reduction <= 64"),
    ],
)
def test_an_impossible_network_is_refused_at_once_in_one_line(overrides, message):
    with pytest.raises(ValueError, match=message) as caught:
        create_model("scse", **overrides)
    assert "\n" not in str(caught.value)
