"""Seeds and the states of generators."""

import hashlib
import random
from typing import Any

import numpy as np
import torch


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and PyTorch's generators (the last on every device)."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - code that uses the global generator is what this is for
    torch.manual_seed(seed)


def seed_of(*parts: object) -> int:
    """A seed that follows from its parts and from nothing else."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator_states() -> dict[str, Any]:
    """The states of the global generators, from which dropout and the like draw."""
    numpy_state: Any = np.random.get_state()  # noqa: NPY002
    kind, keys, *rest = numpy_state
    return {
        "python": random.getstate(),
        "numpy": [str(kind), torch.from_numpy(keys.copy()), *rest],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def load_generator_states(states: dict[str, Any]) -> None:
    """Set the global generators to what :func:`generator_states` returned."""
    random.setstate(states["python"])
    kind, keys, *rest = states["numpy"]
    np.random.set_state((kind, keys.numpy(), *rest))  # noqa: NPY002
    torch.set_rng_state(states["torch"])
    if len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])
