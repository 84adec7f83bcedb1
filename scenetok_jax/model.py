"""The networks and codecs that one configuration describes."""

import contextlib
import dataclasses
import re
from collections.abc import Iterator
from typing import Any, cast

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from scenetok_jax.codecs.api import DTYPES, Codec, get_codec
from scenetok_jax.decoder.dit import RayConditionedDiT
from scenetok_jax.generator.scenegen import SceneGen
from scenetok_jax.io import to_unit
from scenetok_jax.nn.block_spec import with_fields
from scenetok_jax.nn.embed import RaySpec
from scenetok_jax.nn.remat import REMAT_POLICIES
from scenetok_jax.ops.attention import check_attention
from scenetok_jax.ops.compute import Compute
from scenetok_jax.tokenizer.perceiver import Perceiver
from scenetok_jax.types import (
  Array,
  Cameras,
  InputError,
  Posterior,
  Views,
  check_known,
)


@dataclasses.dataclass(frozen=True)
class Model:
  """Modules and codecs; parameters are passed beside it, never inside.

  image_size: side of the square images.
  num_context, num_targets: context views, and latents of a training clip.
  num_conditions: conditioning views of the generator.
  """

  tokenizer: Perceiver
  decoder: RayConditionedDiT
  generator: SceneGen | None
  context_codec: Codec
  target_codec: Codec
  image_size: int
  num_context: int
  num_targets: int
  num_conditions: int

  @property
  def token_shape(self) -> tuple[int, int]:
    """(N, C) of a scene's tokens."""
    return self.tokenizer.num_tokens, self.tokenizer.token_channels

  def latent_shape(self, codec: Codec) -> tuple[int, int, int]:
    """(h, w, C) of a codec's latents."""
    return (*codec.grid(self.image_size), codec.channels)


def build(config: ConfigDict) -> Model:
  """Modules and codecs of a configuration.

  What it leaves "auto" is what suits this process's devices.

  Raises InputError: unknown codec, dtype, remat policy or attention, attention
  that lacks the dtype, or sizes that do not fit.
  """
  compute = Compute.of(config, lambda: jax.local_devices()[0])
  check_known(compute.dtype, DTYPES, "config.dtype")
  check_known(compute.remat, REMAT_POLICIES, "config.remat")
  check_attention(compute.attention)
  shared = {**compute._asdict(), "dtype": jnp.dtype(compute.dtype)}

  def module(name: str, cls: Any) -> Any:
    block = dict(config[name])
    # Tuples, so that module fields stay hashable.
    rays: dict[str, Any] = {
      key: tuple(value) if isinstance(value, (list, tuple)) else value
      for key, value in dict(block.pop("rays")).items()
    }
    with _strict(name):
      return with_fields(cls(), **block, **shared, rays=RaySpec(**rays))

  def codec(name: str) -> Codec:
    with _strict(f"codecs.{name}"):
      return get_codec(**config.codecs[name])

  model = Model(
    tokenizer=module("tokenizer", Perceiver),
    decoder=module("decoder", RayConditionedDiT),
    generator=module("generator", SceneGen) if "generator" in config else None,
    context_codec=codec("context"),
    target_codec=codec("target"),
    image_size=config.data.image_size,
    num_context=config.data.num_context,
    num_targets=config.data.num_targets,
    num_conditions=config.data.num_conditions,
  )
  _check_grids(model)
  return model


@contextlib.contextmanager
def _strict(block: str) -> Iterator[None]:
  """InputError for a field of a configuration that nothing reads."""
  try:
    yield
  except TypeError as error:
    found = re.search(r"unexpected keyword argument '(\w+)'", str(error))
    if found is None:
      raise
    raise InputError(
      f"config.{block}: nothing reads {found[1]}; correct or remove it"
    ) from error


def _check_grids(model: Model) -> None:
  """Ray patches must give as many tokens as the latents do."""
  for name, module, codec in (
    ("tokenizer", model.tokenizer, model.context_codec),
    ("decoder", model.decoder, model.target_codec),
  ):
    rays = tuple(n // module.rays.patch for n in module.rays.size)
    grid = tuple(n // module.patch for n in codec.grid(model.image_size))
    if rays != grid:
      raise InputError(
        f"config.{name}.rays: patches of {module.rays.patch} on a "
        f"{module.rays.size} grid give {rays} tokens, the latents {grid}; "
        "change rays.patch, rays.size or patch"
      )


def codec_params(model: Model) -> dict[str, Any]:
  """Parameters {"context", "target"} of the codecs, {} where there are none."""
  return {
    "context": model.context_codec.params,
    "target": model.target_codec.params,
  }


def encode_views(
  codec: Codec, views: Views, key: Array | None, params: Any = None
) -> Array:
  """Views [B V] -> normalised latents [B L h w C] float32.

  params: of the codec, an argument where a jitted function encodes.
  """
  if views.images is None:
    # Stored as the codec gave them; float16 on disk.
    return codec.scaling.normalize(jnp.asarray(views.latents, jnp.float32))
  images = to_unit(jnp.asarray(views.images))
  params = codec.params if params is None else params
  return codec.encode(params, images, key)


def encoded(codec: Codec, views: Views, key: Array, params: Any) -> Views:
  """Views with normalised latents; params: of the codec, None for its own."""
  return Views(views.cameras, latents=encode_views(codec, views, key, params))


def tokenize(
  model: Model, params: Any, latents: Array, cameras: Cameras
) -> Posterior:
  """Context latents [B V h w C] and relative cameras [B V] -> token posterior.

  params: {"tokenizer": ...}.
  """
  posterior = model.tokenizer.apply(
    {"params": params["tokenizer"]}, latents, cameras
  )
  return cast(Posterior, posterior)


def init_stage1(model: Model, key: Array) -> dict[str, Any]:
  """Fresh parameters {"tokenizer", "decoder"}, each in float32."""
  tokenizer_key, decoder_key = jax.random.split(key)
  context = _zeros(model, model.context_codec, model.num_context)
  target = _zeros(model, model.target_codec, model.num_targets)
  frames = model.target_codec.frames(model.num_targets)
  path, tokens = identity_cameras(1, frames), jnp.zeros((1, *model.token_shape))
  return {
    "tokenizer": model.tokenizer.init(
      tokenizer_key, context, identity_cameras(1, model.num_context)
    )["params"],
    "decoder": model.decoder.init(
      decoder_key, target, jnp.zeros(target.shape[:2]), path, tokens
    )["params"],
  }


def init_generator(model: Model, key: Array, anchors: int) -> dict[str, Any]:
  """Fresh parameters {"generator"} in float32."""
  assert model.generator is not None
  tokens = jnp.zeros((1, *model.token_shape))
  params = model.generator.init(
    key,
    tokens,
    jnp.zeros(tokens.shape[:2]),
    _zeros(model, model.context_codec, model.num_conditions),
    identity_cameras(1, model.num_conditions),
    identity_cameras(1, anchors),
    # Shapes do not depend on the mask; one must be given to show the token.
    jnp.ones((1, model.num_conditions), bool),
  )["params"]
  return {"generator": params}


def _zeros(model: Model, codec: Codec, count: int) -> Array:
  return jnp.zeros((1, count, *model.latent_shape(codec)), jnp.float32)


def identity_cameras(batch: int, views: int) -> Cameras:
  """Cameras at the origin with a 90 degree field of view: [batch, views]."""
  intrinsics = jnp.array([[0.5, 0, 0.5], [0, 0.5, 0.5], [0, 0, 1]])
  return Cameras(
    jnp.broadcast_to(jnp.eye(4), (batch, views, 4, 4)),
    jnp.broadcast_to(intrinsics, (batch, views, 3, 3)),
  )
