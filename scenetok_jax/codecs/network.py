"""What a published autoencoder offers, and mapping it over many clips."""

import dataclasses
import math
import tomllib
from collections.abc import Callable, Iterator, Sequence
from importlib import resources
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange

from scenetok_jax.convert.engine import Layouts, Rename
from scenetok_jax.geometry.latent_frames import Grouping
from scenetok_jax.parallel.mesh import BATCH_AXES
from scenetok_jax.parallel.rules import constrain
from scenetok_jax.types import Array, Posterior


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
  """One published autoencoder: its geometry, scaling, file and names there.

  spatial: pixels per latent cell, per side. file, source, licence: where
  the weights come from.
  tensors, parameters: what the file must hold.
  renames, layouts: from the parameters to the file (convert.engine.Table).
  prefixes: of the autoencoder's tensors, where the file holds more.
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
  renames: Sequence[Rename] = ()
  layouts: Layouts = dataclasses.field(default_factory=dict)
  prefixes: tuple[str, ...] = ("",)


def read_published(name: str) -> Published:
  """What NAME.toml, beside the module of a codec, says of it."""
  text = (
    resources.files(__package__).joinpath(f"{name}.toml").read_text("utf-8")
  )
  fields = tomllib.loads(text)
  return Published(
    grouping=Grouping(**fields.pop("grouping")),
    scaling=Scaling(**{k: tuple(x) for k, x in fields.pop("scaling").items()}),
    renames=list(fields.pop("renames").items()),
    prefixes=tuple(fields.pop("prefixes", [""])),
    **fields,
  )


@dataclasses.dataclass(frozen=True)
class Network:
  """A published autoencoder as functions of its parameters.

  Works on N clips that do not see each other, in the network's own latent
  scale; codecs.api adds the grouping, scaling and clipping of the release.

  init: key -> parameters.
  encode: (params, images [N T H W 3] in [-1, 1]) -> Posterior [N L h w C].
  decode: (params, latents [N L h w C]) -> images [N T H W 3], about [-1, 1].
  parts: as decode, but yields consecutive parts of a video whose pieces
    overlap; None where clips are short and do not.
  """

  init: Callable[[Array], Any]
  encode: Callable[[Any, Array], Posterior]
  decode: Callable[[Any, Array], Array]
  parts: Callable[[Any, Array], Iterator[Array]] | None = None

  def shapes(self) -> Any:
    """Abstract parameters; nothing is computed."""
    return jax.eval_shape(self.init, jax.random.key(0))


def autoencoder(
  encoder: nn.Module,
  decoder: nn.Module,
  factor: int,
  channels: int,
  frames: int = 1,
  latents: int = 1,
  posterior: Callable[[Array], Posterior] = Posterior,
) -> Network:
  """Two modules as functions of params {"encoder", "decoder"}, float32.

  encoder: images [N T H W 3] -> what posterior, of latents [N L h w C], is
  made from. decoder: latents -> images. factor: pixels per latent, per side.
  channels: C. frames, latents: so many initialise every layer.
  """

  def init(key: Array) -> Any:
    keys = jax.random.split(key)
    images = jnp.zeros((1, frames, factor, factor, 3))
    cells = jnp.zeros((1, latents, 1, 1, channels))
    return {
      "encoder": encoder.init(keys[0], images)["params"],
      "decoder": decoder.init(keys[1], cells)["params"],
    }

  def encode(params: Any, images: Array) -> Posterior:
    return posterior(encoder.apply({"params": params["encoder"]}, images))

  def decode(params: Any, latents: Array) -> Array:
    return decoder.apply({"params": params["decoder"]}, latents)

  return Network(init, encode, decode)


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

  def join(x: Array) -> Array:
    return rearrange(x, "n k ... -> (k n) ...")[:count]

  return jax.tree.map(join, jax.lax.map(run, parts))
