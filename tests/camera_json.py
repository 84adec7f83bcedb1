"""Writing camera paths for the tests to read."""

import numpy as np

from scenetok_jax.io import write_json


def write_cameras(cameras, path) -> None:
  """Cameras [T 4 4], [T 3 3] in the project's layout; exact in float32."""
  content = {
    name: np.asarray(getattr(cameras, name), np.float64).tolist()
    for name in ("extrinsics", "intrinsics")
  }
  write_json(path, content)
