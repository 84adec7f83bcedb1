"""A codec as an extension would add it: 4 x 4 pixels, 2 frames, one product."""

import jax
import jax.numpy as jnp
from einops import rearrange

from scenetok_jax.codecs.network import Network, Published, Scaling
from scenetok_jax.geometry.latent_frames import Grouping
from scenetok_jax.types import Posterior

PUBLISHED = Published(
  spatial=4,
  channels=96,
  grouping=Grouping(2),
  scaling=Scaling(mean=(0.5,), std=(2.0,)),
  file="tiny.safetensors",
  source="nowhere.org/tiny",
  licence="MIT",
  tensors=2,
  parameters=2 * 96 * 96,
  renames=(("encoder", "encode"), ("decoder", "decode")),
)
_PIXELS = "b (l t) (h p) (w q) c -> b l h w (t p q c)"
_SIZES = {"t": 2, "p": 4, "q": 4}


def network(*, dtype=jnp.float32, channels: int = 96) -> Network:
  """An orthonormal change of basis of each block, and its transpose."""

  def init(key):
    kernel = jax.random.orthogonal(key, 96)[:, :channels]
    return {
      "encoder": {"kernel": rearrange(kernel, _KERNEL, **_SIZES)},
      "decoder": {"kernel": kernel.T},
    }

  def encode(params, images):
    kernel = rearrange(params["encoder"]["kernel"], _ROWS)
    blocks = rearrange(images, _PIXELS, **_SIZES)
    return Posterior((blocks.astype(dtype) @ kernel).astype(jnp.float32))

  def decode(params, latents):
    blocks = latents.astype(dtype) @ params["decoder"]["kernel"]
    left, right = _PIXELS.split("->")
    images = rearrange(blocks, f"{right} -> {left}", c=3, **_SIZES)
    return images.astype(jnp.float32)

  return Network(init, encode, decode)


_KERNEL = "(t p q c) d -> t p q c d"
_ROWS = "t p q c d -> (t p q c) d"
