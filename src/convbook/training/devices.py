"""Where to compute, how precisely, and from which seed."""

import random

import numpy as np
import torch


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


def pick_precision(precision: str, device: torch.device) -> str:
    """Choose "float32", "bf16" or "fp16"; "auto" is what is fast and safe on ``device``.

    GPUs from compute capability 8.0 on (A100, L4, H100) multiply bf16, which has float32's range. Older ones
    (T4) have fp16 only, whose small range needs loss scaling. On a CPU, 16 bits pay only where it has the
    instructions: ask for them.
    """
    if precision == "auto":
        if device.type != "cuda":
            return "float32"
        return "bf16" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp16"
    if precision == "fp16" and device.type != "cuda":
        raise DeviceError("fp16 needs a CUDA GPU: use precision='float32' or 'bf16' here")
    return precision


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and PyTorch's generators (the last on every device)."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - code that uses the global generator is what this is for
    torch.manual_seed(seed)
