"""Networks of a reference case: built from its config, with its weights."""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange

from scenetok_jax.codecs.api import Codec
from scenetok_jax.codecs.network import Scaling
from scenetok_jax.codecs.registry import published
from scenetok_jax.convert.load import load_params
from scenetok_jax.convert.reader import read_tensors
from scenetok_jax.decoder import dit_table
from scenetok_jax.decoder.dit import RayConditionedDiT
from scenetok_jax.flow.timesteps import SAMPLINGS, WEIGHTINGS
from scenetok_jax.generator import scenegen_table
from scenetok_jax.generator.scenegen import SceneGen
from scenetok_jax.geometry.latent_frames import Grouping
from scenetok_jax.model import Model
from scenetok_jax.nn.block_spec import with_fields
from scenetok_jax.parity import reference_config
from scenetok_jax.parity.case import Arrays, Case
from scenetok_jax.parity.config_block import check_fields
from scenetok_jax.tokenizer import perceiver_table
from scenetok_jax.tokenizer.perceiver import Perceiver
from scenetok_jax.types import Cameras

# Fields of the release's scheduler; mu and sigma are read by nothing there.
_SCHEDULER = {
  *("name", "num_train_timesteps", "num_inference_steps", "sampling_type"),
  "kwargs",
}
_FLOW = {
  *("weighting", "num_train_timesteps", "prediction_type", "timestep_shift"),
  *("schedule_type", "mu", "sigma"),
}
_AUTOENCODERS = ("video_dc", "wan", "va", None)
# Modules whose outputs the reference's intermediates are compared with.
_COMPARED = {
  *("camera", "anchor_camera", "latents", "timestep", "embed"),
  *("condition_embed", "blocks", "last_block", "head"),
}


def channels_last(x: Any) -> np.ndarray:
  """torch's [... C h w] -> [... h w C]."""
  return rearrange(np.asarray(x), "... c h w -> ... h w c")


def channels_first(x: Any) -> np.ndarray:
  """[... h w C] -> torch's [... C h w]."""
  return rearrange(np.asarray(x), "... h w c -> ... c h w")


def jit(function: Any) -> Any:
  """jit for functions that run once or twice on tiny arrays."""
  cpu = jax.default_backend() == "cpu"
  options = {"xla_backend_optimization_level": 0} if cpu else {}
  return jax.jit(function, compiler_options=options)


def tokenizer(case: Case) -> Perceiver:
  return with_fields(
    Perceiver(), **reference_config.tokenizer_fields(case.config)
  )


def decoder(case: Case) -> RayConditionedDiT:
  """The renderer, with a null token where the weights have one."""
  null = f"{dit_table.PREFIX}null_tokens" in read_tensors(case.weights)
  return with_fields(
    RayConditionedDiT(),
    **reference_config.decoder_fields(case.config, null_token=null),
  )


def generator(case: Case) -> SceneGen:
  return with_fields(
    SceneGen(), **reference_config.generator_fields(case.config)
  )


def table(module: Any) -> Any:
  """The rename table of a module."""
  tables = {
    Perceiver: perceiver_table,
    RayConditionedDiT: dit_table,
    SceneGen: scenegen_table,
  }
  return tables[type(module)].table(module)


def target_scaling(
  case: Case, name: str | None, factor: float | None
) -> Scaling:
  """Scaling of target latents by the release's name of an autoencoder."""
  case.one_of({"autoencoder": name}, "autoencoder", _AUTOENCODERS)
  if name == "va":  # its factor is not read
    return published("va_vae").scaling
  return Scaling(std=(1 / (factor or 1.0),))


def flow_options(case: Case, scheduler: Mapping[str, Any]) -> dict[str, Any]:
  """weighting and timestep_shift of a scheduler block.

  Raises:
    InputError: a setting that changes numbers in a way nothing computes.
  """
  options = scheduler["kwargs"]
  check_fields(scheduler, _SCHEDULER, "scheduler")
  check_fields(options, _FLOW, "scheduler.kwargs")
  case.one_of(options, "weighting", WEIGHTINGS)
  for block in (scheduler, options):
    case.only(block, "num_train_timesteps", 1000)
  case.only(options, "prediction_type", "flow")
  case.only(options, "schedule_type", "linear")
  sampling = {"sampling_type": SAMPLINGS[0], **scheduler}
  case.one_of(sampling, "sampling_type", SAMPLINGS)
  return dict(options)


def weights(case: Case, module: Any, *inputs: Any) -> Any:
  """Parameters of a module, for inputs of these shapes."""
  shapes = jax.eval_shape(module.init, jax.random.key(0), *inputs)["params"]
  return load_params(case.weights, table(module), shapes)


def apply(
  module: Any, params: Any, *args: Any, **kwargs: Any
) -> tuple[Any, Arrays]:
  """(outputs, outputs of the compared parts by name)."""
  out, state = jax.device_get(_compiled(module)(params, args, kwargs))
  parts = {
    name: part["__call__"][0]
    for name, part in state["intermediates"].items()
    if "__call__" in part
  }
  return out, parts


@functools.lru_cache(maxsize=1)
def _compiled(module: Any) -> Any:
  """One program for all runs of a case that have the same shapes."""

  def call(params: Any, args: Any, kwargs: Any) -> Any:
    return module.apply(
      {"params": params},
      *args,
      capture_intermediates=lambda part, _: part.name in _COMPARED,
      mutable=["intermediates"],
      **kwargs,
    )

  return jit(call)


def any_tokens(case: Case, batch: int) -> np.ndarray:
  """Zeros in the place of scene tokens [B N C]."""
  config = case.config
  size = (batch, config["num_scene_tokens"], config["cond_dim"])
  return np.zeros(size, np.float32)


def identity_cameras(batch: int, views: int) -> Cameras:
  """Cameras for their shapes alone."""
  return Cameras(
    np.zeros((batch, views, 4, 4), np.float32),
    np.zeros((batch, views, 3, 3), np.float32),
  )


def model(case: Case, scaling: Scaling, **nets: Any) -> Model:
  """The networks with codecs whose images are their latents."""
  config = case.config
  chunked = config.get("using_wan", False)
  defaults = {
    "tokenizer": Perceiver(
      num_tokens=config["num_scene_tokens"], token_channels=config["cond_dim"]
    ),
    "decoder": RayConditionedDiT(),
    "generator": None,
  }
  frames = (defaults | nets)["decoder"].frames_per_latent
  return Model(
    **(defaults | nets),
    context_codec=_identity(Grouping(), Scaling()),
    target_codec=_identity(Grouping(frames, chunked), scaling),
    image_size=1,
    num_context=config.get("num_context_views_at_construction", 1),
    num_targets=config.get("num_target_latents_at_construction", 1),
    num_conditions=0,
  )


def _identity(grouping: Grouping, scaling: Scaling) -> Codec:
  return Codec(
    name="identity",
    spatial=1,
    grouping=grouping,
    channels=1,
    scaling=scaling,
    encode=lambda params, images, key: scaling.normalize(2.0 * images - 1.0),
    decode=lambda params, latents: jnp.clip(
      scaling.restore(latents) / 2.0 + 0.5, 0.0, 1.0
    ),
  )
