"""Whether a set fits the device."""

import os
from pathlib import Path

import torch

SHARE = 0.25  # of the free memory may hold images: the rest is for the network, its gradients and activations
CONTAINER = Path("/sys/fs/cgroup")


def fits(size: int, device: torch.device) -> bool:
    """Whether ``size`` bytes of images may live on ``device``: at most a quarter of its free memory."""
    return size <= SHARE * free_memory(device)


def free_memory(device: torch.device) -> float:
    """Bytes that ``device`` can still give; infinite where the system does not tell."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    table = Path("/proc/meminfo")
    if table.is_file():  # Linux: what can be had without swapping, caches included
        rows = dict(line.split(":", 1) for line in table.read_text().splitlines())
        return min(1024 * int(rows["MemAvailable"].split()[0]), _left_to_container())
    if "SC_PHYS_PAGES" in getattr(os, "sysconf_names", {}):  # macOS: half of all is taken to be free
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2
    return float("inf")


def _left_to_container() -> float:
    """Bytes up to the limit of the container that this process runs in, if it has one."""
    limit, used = CONTAINER / "memory.max", CONTAINER / "memory.current"
    if not (limit.is_file() and used.is_file()) or limit.read_text().strip() == "max":
        return float("inf")
    return int(limit.read_text()) - int(used.read_text())
