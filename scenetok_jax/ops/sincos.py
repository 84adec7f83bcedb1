"""Fixed sine-cosine positions of a grid."""

import numpy as np
from einops import rearrange


def sincos_table(
  rows: np.ndarray, columns: np.ndarray, width: int
) -> np.ndarray:
  """[rows * columns, width] float32: first half columns, then rows."""
  quarter = width // 4
  omega = 10000.0 ** (-np.arange(quarter) / quarter)

  def encode(positions: np.ndarray) -> np.ndarray:
    angles = positions[:, None].astype(np.float64) * omega
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=-1)

  shape = (len(rows), len(columns), width // 2)
  table = np.concatenate(
    [
      np.broadcast_to(encode(columns)[None, :], shape),
      np.broadcast_to(encode(rows)[:, None], shape),
    ],
    axis=-1,
  )
  return rearrange(table, "h w c -> (h w) c").astype(np.float32)
