"""Tensors and pictures in few characters, for pages that compute with them."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import torch
from torch import Tensor

_TYPES: dict[int, np.dtype[Any]] = {8: np.dtype("<u1"), 16: np.dtype("<u2")}


def pack(values: Tensor, bits: int = 8) -> dict[str, Any]:
    """Values as whole multiples of one step above the smallest, base64; ``unpack`` of shell.js reads it.

    Args:
        values: any shape; read back, each is off by half a step at most.
        bits: 8 or 16; there are ``2**bits - 1`` steps between the smallest and the largest value.
    """
    values = values.detach().double().cpu()
    low = values.min().item()
    step = (values.max().item() - low) / (2**bits - 1) or 1.0
    codes = ((values - low) / step).round().numpy().astype(_TYPES[bits])
    text = base64.b64encode(codes.tobytes()).decode()
    return {"low": low, "step": step, "bits": bits, "shape": list(values.shape), "codes": text}


def unpack(packed: dict[str, Any]) -> Tensor:
    """The values that the page computes with: float64, in their shape."""
    codes = np.frombuffer(base64.b64decode(packed["codes"]), _TYPES[packed["bits"]]).astype(np.float64)
    return torch.from_numpy(packed["low"] + packed["step"] * codes).reshape(packed["shape"])


def address(image: Tensor, kind: str = "PNG") -> str:
    """A data address of one image, uint8 (1, H, W) or (3, H, W), for ``src``.

    ``kind`` is "PNG", or "WEBP" for photographs, which loses a little and is a tenth as long.
    """
    from PIL import Image

    buffer = io.BytesIO()
    pixels = image.permute(1, 2, 0).contiguous().cpu().numpy()
    Image.fromarray(pixels[:, :, 0] if len(image) == 1 else pixels).save(buffer, kind, quality=90)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"
