"""The Inception-I3D of FVD: class scores of 16-frame clips."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from einops import rearrange, reduce

from scenetok_jax.metrics import layers
from scenetok_jax.metrics.metric import Metric, read_published
from scenetok_jax.metrics.resize import resize
from scenetok_jax.types import Array, InputError

SIZE = 224
CLASSES = 400
CLIP = 16  # frames of a clip, as the release
SHORTEST, LONGEST = 9, 16  # clips that give one time step

# By published name, in order: a unit's features, kernel and stride, a pool's
# window and strides, or the widths of four branches: 1, then 3 after 1, twice,
# then after a pool.
LAYERS: dict[str, tuple] = {
  "Conv3d_1a_7x7": (64, 7, 2),
  "MaxPool3d_2a_3x3": ((1, 3, 3), (1, 2, 2)),
  "Conv3d_2b_1x1": (64,),
  "Conv3d_2c_3x3": (192, 3),
  "MaxPool3d_3a_3x3": ((1, 3, 3), (1, 2, 2)),
  "Mixed_3b": (64, 96, 128, 16, 32, 32),
  "Mixed_3c": (128, 128, 192, 32, 96, 64),
  "MaxPool3d_4a_3x3": ((3, 3, 3), (2, 2, 2)),
  "Mixed_4b": (192, 96, 208, 16, 48, 64),
  "Mixed_4c": (160, 112, 224, 24, 64, 64),
  "Mixed_4d": (128, 128, 256, 24, 64, 64),
  "Mixed_4e": (112, 144, 288, 32, 64, 64),
  "Mixed_4f": (256, 160, 320, 32, 128, 128),
  "MaxPool3d_5a_2x2": ((2, 2, 2), (2, 2, 2)),
  "Mixed_5b": (256, 160, 320, 32, 128, 128),
  "Mixed_5c": (384, 192, 384, 48, 128, 128),
}


def _pool(
  x: Array, window: tuple = (3, 3, 3), strides: tuple = (1, 1, 1)
) -> Array:
  # Zeros or minus infinity around it: inputs come from a ReLU.
  return nn.max_pool(x, window, strides, "SAME")


class I3d(nn.Module):
  """clips [B T 224 224 3] in [-1, 1] -> activations by published name.

  Every end point [B T' h w C] in order, then "avg_pool" [B T' 1024] and
  "logits" [B T' 400]. Under jit only what is used is computed.
  """

  @nn.compact
  def __call__(self, x: Array) -> dict[str, Array]:
    ends: dict[str, Array] = {}
    for name, sizes in LAYERS.items():
      if name.startswith("Mixed"):
        b0, b1a, b1b, b2a, b2b, b3b = sizes
        branches: dict[str, list] = {
          "b0": [(b0,)],
          "b1{}": [(b1a,), (b1b, 3)],
          "b2{}": [(b2a,), (b2b, 3)],
          "b3{}": [_pool, (b3b,)],
        }
        x = layers.Mixed(name=name)(x, branches, "ab")
      elif name.startswith("MaxPool"):
        x = _pool(x, *sizes)
      else:
        x = layers.Unit(*sizes, name=name)(x)
      ends[name] = x
    x = nn.avg_pool(x, (2, 7, 7), (1, 1, 1))
    head = layers.conv(CLASSES, (1, 1, 1), name="logits")
    for name, value in (("avg_pool", x), ("logits", head(x))):
      ends[name] = rearrange(value, "b t 1 1 c -> b t c")
    return ends


# Of the published file.
shapes = layers.shapes_of(I3d(), (1, CLIP, SIZE, SIZE, 3))
table = layers.units_table(shapes, "conv3d", ("^logits", "logits/conv3d"))


def preprocess(clips: Array) -> Array:
  """float [B T H W 3] in [0, 1] -> [B T 224 224 3] in [-1, 1].

  The release multiplies by 255 without rounding; resized by half-pixel
  bilinear interpolation without antialiasing, frame by frame.
  """
  clips = resize(
    jnp.asarray(clips, jnp.float32) * 255.0, (SIZE,) * 2, "half_pixel"
  )
  return 2.0 * clips / 255.0 - 1.0


def endpoints(params: dict, clips: Array) -> dict[str, Array]:
  """float RGB [B T H W 3] in [0, 1] -> activations; see I3d.

  The class scores have one time step for 9 to 16 frames.
  Raises InputError: not clips [B T H W 3], or fewer than 9 frames.
  """
  clips = jnp.asarray(clips)
  if clips.ndim != 5 or clips.shape[-1] != 3:
    raise InputError(
      f"fvd: clips are {list(clips.shape)}; give float [B T H W 3] in [0, 1]"
    )
  if clips.shape[1] < SHORTEST:
    raise InputError(
      f"fvd: clips of {clips.shape[1]} frames; at least {SHORTEST} are"
      f" needed, and {CLIP} are the protocol's"
    )
  ends: Any = I3d().apply({"params": params}, preprocess(clips))
  return ends


def features(params: dict, clips: Array) -> Array:
  """float RGB [B T H W 3] in [0, 1], 9 <= T <= 16 -> FVD's features [B 400].

  Raises InputError: clips of another length, whose scores are not one vector.
  """
  if clips.ndim == 5 and clips.shape[1] > LONGEST:
    raise InputError(
      f"fvd: clips of {clips.shape[1]} frames give more than one vector;"
      f" cut them into {CLIP} frames (split_clips)"
    )
  return reduce(endpoints(params, clips)["logits"], "b 1 c -> b c", "mean")


def split_clips(frames: np.ndarray, length: int = CLIP) -> np.ndarray:
  """One scene's frames [T H W C] -> clips [B length H W C].

  They do not overlap; trailing frames that fill no clip are left out, so
  that no clip straddles two scenes.
  Raises InputError: fewer frames than a clip.
  """
  count = len(frames) // length
  if not count:
    raise InputError(
      f"fvd: a scene of {len(frames)} frames fills no clip of {length}; leave"
      " the scene out or render more frames"
    )
  frames = frames[: count * length]
  return rearrange(frames, "(b t) h w c -> b t h w c", t=length)


_I3D = read_published("fvd_i3d", shapes=shapes, table=table)
METRIC = Metric(
  "fvd", "video_set", features, "lower", "FVD", weights=_I3D, batch=4
)
