"""Where to compute, and how precisely."""

import os

import torch
from torch import nn

from convbook.layers.grouped import is_depthwise


class DeviceError(RuntimeError):
    """The device or the precision asked for is not there."""


def pick_device(device: str | torch.device = "auto") -> torch.device:
    """The device to use: "auto" is a CUDA GPU if there is one, else the CPU.

    Raises:
        DeviceError: a GPU is asked for and PyTorch sees none.
    """
    if str(device) == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise DeviceError(f"no device is called {device!r}: use 'auto', 'cpu' or 'cuda'") from None
    if chosen.type not in ("cpu", "cuda"):
        raise DeviceError(f"training runs on 'cpu' or 'cuda'; got {str(device)!r}")
    if chosen.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if count == 0:
            raise DeviceError(
                "PyTorch sees no CUDA GPU: use device='auto' or 'cpu', "
                "or choose a runtime with a GPU (on Colab in the Runtime menu)"
            )
        if chosen.index is not None and chosen.index >= count:
            raise DeviceError(f"there is no {chosen}: this machine has cuda:0 to cuda:{count - 1}")
    return chosen


def pick_precision(precision: str, device: torch.device, model: nn.Module) -> str:
    """Choose "float32", "bf16" or "fp16"; "auto" is what is fast and safe for ``model`` on ``device``.

    GPUs from compute capability 8.0 on (A100, L4, H100) multiply bf16, which has float32's range. Older ones
    (T4) have fp16 only, whose small range needs loss scaling. A CPU gains from bf16 where it has the
    instructions, but not in depthwise convolutions, and loses much where it has to emulate them.
    """
    if precision == "auto":
        if device.type != "cuda":
            depthwise = any(map(is_depthwise, model.modules()))
            return "bf16" if cpu_has_bf16() and not depthwise else "float32"
        return "bf16" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp16"
    if precision == "fp16" and device.type != "cuda":
        raise DeviceError("fp16 needs a CUDA GPU: use precision='float32' or 'bf16' here")
    return precision


def cpu_has_bf16() -> bool:
    """Whether this processor multiplies bf16, and oneDNN may use that (ONEDNN_MAX_CPU_ISA can forbid it)."""
    allowed = os.environ.get("ONEDNN_MAX_CPU_ISA", "DEFAULT").upper()
    if not any(word in allowed for word in ("DEFAULT", "ALL", "BF16", "FP16", "AMX", "AVX10")):
        return False
    questions = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, question, bool)() for question in questions)
