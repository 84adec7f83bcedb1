"""Depth as images: the logarithm of metres as grey levels.

Squared errors of such images are squared relative errors of depth, whatever
the distance. One of the 255 steps is 1.6 percent.
"""

import numpy as np
from einops import repeat

NEAR, FAR = 0.25, 16.0  # metres, ours: what indoor clips span


def encode(depth: np.ndarray) -> np.ndarray:
  """Metres [... H W] -> uint8 [... H W 3]: 0 at NEAR, 255 at FAR.

  Nearer and farther depths are clipped. A depth that is zero, negative or
  not finite counts as FAR.
  """
  known = np.isfinite(depth) & (np.asarray(depth) > 0)
  metres = np.clip(np.where(known, depth, FAR), NEAR, FAR)
  level = np.log(metres / NEAR) / np.log(FAR / NEAR)
  grey = np.round(255.0 * level).astype(np.uint8)
  return repeat(grey, "... h w -> ... h w c", c=3)


def decode(images: np.ndarray) -> np.ndarray:
  """uint8 (or float 0-255) [... H W 3] -> metres [... H W] float32.

  The three channels are averaged: a renderer does not keep them equal.
  """
  level = np.asarray(images, np.float32).mean(axis=-1) / 255.0
  return (NEAR * np.exp(level * np.log(FAR / NEAR))).astype(np.float32)
