"""Two real photographs that need no network."""

import torch
from torch import Tensor


def photographs() -> dict[str, Tensor]:
    """scikit-learn's two sample photographs, by name: "china" (a palace) and "flower" (a dahlia).

    Each is uint8, (3, 427, 640). Both are under CC BY 2.0; scikit-learn names the photographers.
    """
    from sklearn.datasets import load_sample_images

    sample = load_sample_images()
    names = [name.rsplit("/", 1)[-1].removesuffix(".jpg") for name in sample.filenames]
    images = [torch.tensor(image).permute(2, 0, 1).contiguous() for image in sample.images]
    return dict(zip(names, images, strict=True))
