"""What a published autoencoder offers, and mapping it over many clips."""

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Any

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange

from scenetok_jax.geometry.latent_frames import Grouping
from scenetok_jax.parallel.mesh import BATCH_AXES
from scenetok_jax.parallel.rules import constrain
from scenetok_jax.types import Array, InputError


@dataclasses.dataclass(frozen=True)
class Scaling:
  """Affine map between a codec's latents and those that networks see.

  mean, std: per channel [C], or one number for all.
  """

  mean: tuple[float, ...] = (0.0,)
  std: tuple[float, ...] = (1.0,)

  def normalize(self, latents: Array) -> Array:
    """latents [... C] of the codec -> about zero mean and unit variance."""
    mean, std = self._like(latents)
    return (latents - mean) / std

  def restore(self, latents: Array) -> Array:
    """The inverse of normalize."""
    mean, std = self._like(latents)
    return latents * std + mean

  def _like(self, latents: Array) -> tuple[np.ndarray, np.ndarray]:
    """mean and std in float32 with as many axes as the latents."""
    axes = tuple(range(latents.ndim - 1))
    mean, std = (np.asarray(x, np.float32) for x in (self.mean, self.std))
    return np.expand_dims(mean, axes), np.expand_dims(std, axes)


@dataclasses.dataclass(frozen=True)
class Published:
  """One published autoencoder: its geometry, scaling and file.

  spatial: pixels per latent cell, per side. file, source, licence: where
  the weights come from.
  tensors, parameters: what the file must hold.
  """

  spatial: int
  channels: int
  grouping: Grouping
  scaling: Scaling
  file: str
  source: str
  licence: str
  tensors: int
  parameters: int


@flax.struct.dataclass
class Encoded:
  """A diagonal Gaussian over latents [N L h w C]; std None: no spread."""

  mean: Array
  std: Array | None = None

  def sample(self, key: Array | None) -> Array:
    """A draw in float32; without a key the mean."""
    if key is None or self.std is None:
      return self.mean
    noise = jax.random.normal(key, self.mean.shape, jnp.float32)
    return self.mean + self.std * noise


@dataclasses.dataclass(frozen=True)
class Network:
  """A published autoencoder as functions of its parameters.

  Works on N clips that do not see each other, in the network's own latent
  scale; codecs.api adds the grouping, scaling and clipping of the release.

  init: key -> parameters.
  encode: (params, images [N T H W 3] in [-1, 1]) -> Encoded [N L h w C].
  decode: (params, latents [N L h w C]) -> images [N T H W 3], about [-1, 1].
  parts: as decode, but yields consecutive parts of a video whose pieces
    overlap; None where clips are short and do not.
  """

  init: Callable[[Array], Any]
  encode: Callable[[Any, Array], Encoded]
  decode: Callable[[Any, Array], Array]
  parts: Callable[[Any, Array], Iterator[Array]] | None = None

  def shapes(self) -> Any:
    """Abstract parameters; nothing is computed."""
    return jax.eval_shape(self.init, jax.random.key(0))


@dataclasses.dataclass(frozen=True)
class Sides:
  """An encoder and a decoder as functions of params {"encoder", "decoder"}.

  name: of the codec. encoder: images [B T H W 3] -> [B L h w D].
  decoder: latents [B L h w C] -> images.
  factor: pixels per latent, per side. frames: that give the fewest latents,
  so many, to initialise with. channels: C.
  """

  name: str
  encoder: nn.Module
  decoder: nn.Module
  factor: int
  channels: int
  frames: int = 1
  latents: int = 1

  def init(self, key: Array) -> Any:
    """Random parameters, float32."""
    keys = jax.random.split(key)
    images = jnp.zeros((1, self.frames, self.factor, self.factor, 3))
    latents = jnp.zeros((1, self.latents, 1, 1, self.channels))
    return {
      "encoder": self.encoder.init(keys[0], images)["params"],
      "decoder": self.decoder.init(keys[1], latents)["params"],
    }

  def encode(self, params: Any, images: Array) -> Array:
    """What the encoder gives; InputError where H or W does not fit."""
    self.check_size(images)
    return self.encoder.apply({"params": params["encoder"]}, images)

  def check_size(self, images: Array) -> None:
    """InputError where H or W is not a multiple of the factor."""
    height, width = images.shape[-3:-1]
    if height % self.factor or width % self.factor:
      raise InputError(
        f"{self.name}: images of {height} x {width} pixels: not multiples of"
        f" {self.factor}; resize or crop them"
      )

  def decode(self, params: Any, latents: Array) -> Array:
    """What the decoder gives."""
    return self.decoder.apply({"params": params["decoder"]}, latents)


def map_clips(
  function: Callable[[Array], Any], clips: Array, at_once: int
) -> Any:
  """function(clips [N ...]), independent along N, in bounded memory.

  The clips of one moment, at most `at_once` a device, are spread over the
  data axes of the mesh; the rest is a loop.
  """
  mesh = jax.sharding.get_abstract_mesh()
  ways = 1 if mesh.empty else math.prod(mesh.shape[a] for a in BATCH_AXES)
  width, count = at_once * ways, clips.shape[0]

  def run(part: Array) -> Any:
    return function(constrain(part, "batch", *[None] * (part.ndim - 1)))

  if count <= width:
    return run(clips)
  loops = math.ceil(count / width)
  padding = [(0, loops * width - count)] + [(0, 0)] * (clips.ndim - 1)
  # Strided: a device keeps the clips that it already holds.
  parts = rearrange(jnp.pad(clips, padding), "(k n) ... -> n k ...", n=loops)
  out = jax.lax.map(run, parts)
  join = lambda x: rearrange(x, "n k ... -> (k n) ...")[:count]  # noqa: E731
  return jax.tree.map(join, out)
