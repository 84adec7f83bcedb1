"""MEt3R: consistency of neighbouring frames, by its authors' package.

The package `met3r` (Asim et al., CVPR 2025) and torch are the user's to
install; MASt3R's point maps and DINO's features need no poses.
"""

import functools
from typing import Any

import numpy as np
from einops import rearrange

from scenetok_jax.io import to_unit
from scenetok_jax.metrics.metric import Metric, Video

PAIRS = 4  # judged together


@functools.cache
def _network(size: int | None) -> tuple[Any, str]:
  """The network with the package's defaults, and its device."""
  import met3r
  import torch

  device = "cuda" if torch.cuda.is_available() else "cpu"
  network = met3r.MEt3R(img_size=size, use_norm=True).to(device).eval()
  return network, device


def met3r_score(video: Video) -> np.ndarray:
  """Score of each pair of neighbouring frames, 0 for equal ones: [T - 1].

  The package is given pairs [B 2 3 H W] in [-1, 1], square frames at their
  own size, and gives a score of each.
  """
  import torch

  height, width = video.images.shape[1:3]
  network, device = _network(height if height == width else None)
  frames = rearrange(to_unit(video.images) * 2.0 - 1.0, "t h w c -> t c h w")
  pairs = np.stack([frames[:-1], frames[1:]], axis=1)
  found = []
  with torch.no_grad():
    for start in range(0, len(pairs), PAIRS):
      batch = torch.from_numpy(pairs[start : start + PAIRS]).to(device)
      score, *_ = network(images=batch)
      found.append(score.float().cpu().numpy())
  return np.concatenate(found).astype(np.float64)


_PACKAGE = (
  "met3r",
  "get the authors' by pip install git+https://github.com/mohammadasim98/met3r"
  " (needs torch; it fetches its weights at the first use)",
)
METRIC = Metric(
  "met3r", "video", met3r_score, "lower", "MEt3R", 4, package=_PACKAGE
)
