"""Cases of the autoencoders: va_vae, video_dc_ae, wan_vae."""

import re
from typing import Any

import jax.numpy as jnp
import numpy as np
from einops import rearrange

from scenetok_jax.codecs.convert import codec_network, load_codec
from scenetok_jax.codecs.network import Scaling
from scenetok_jax.codecs.registry import published
from scenetok_jax.codecs.va_vae import Encoder, Sizes
from scenetok_jax.codecs.wan_vae import patchify
from scenetok_jax.flow.losses import kl_divergence
from scenetok_jax.parity.case import Arrays, Case
from scenetok_jax.parity.codec_fields import codec_fields
from scenetok_jax.parity.modules import channels_first, channels_last, jit


def _pixels(images: Any) -> np.ndarray:
  """[-1, 1] -> [0, 1], clipped."""
  return np.clip(np.asarray(images) / 2 + 0.5, 0, 1)


def _scaling(case: Case, name: str) -> Scaling:
  """The published scaling, or the case's own where its width differs."""
  config, found = case.config, published(name).scaling
  if "latent_mean" in config:
    return Scaling(tuple(config["latent_mean"]), tuple(config["latent_std"]))
  if "scaling_factor_target" in config:
    return Scaling(std=(1 / config["scaling_factor_target"],))
  return found


def va_vae(case: Case) -> Arrays:
  """Moments, posterior, decoded images, and the release's pipeline."""
  given = case.inputs
  fields = codec_fields("va_vae", case.config["reduced"])
  params = load_codec("va_vae", case.weights, fields)
  scaling = _scaling(case, "va_vae")
  model = codec_network("va_vae", fields)
  encode, decode = jit(model.encode), jit(model.decode)
  images = channels_last(given["images"])
  latents, encoder = encode(params, images), Encoder(Sizes(**fields))
  found = {
    "moments": jit(encoder.apply)({"params": params["encoder"]}, images),
    "mean": latents.mean,
    "logvar": latents.logvar,
    "std": jnp.exp(latents.logvar / 2),
    "sample_with_eps": latents.sample(channels_last(given["eps"])),
    "decoded": decode(params, channels_last(given["latents"])),
    "decoded_from_mean": decode(params, latents.mean),
  }
  if "pipe_images01" in given:
    images = 2.0 * channels_last(given["pipe_images01"]) - 1.0
    drawn = encode(params, images).sample(channels_last(given["pipe_eps"]))
    scaled = scaling.restore(channels_last(given["pipe_scaled_latents"]))
    found["pipe_first_stage_encode"] = scaling.normalize(drawn)
    found["pipe_last_stage_decode"] = _pixels(decode(params, scaled))
  return {name: channels_first(x) for name, x in found.items()} | {
    "kl": kl_divergence(latents)
  }


def video_dc_ae(case: Case) -> Arrays:
  """Clips of every length, tiles, and the release's pipeline."""
  given = case.inputs
  fields = codec_fields("video_dc_ae", case.config["reduced"])
  params = load_codec("video_dc_ae", case.weights, fields)
  scaling = _scaling(case, "video_dc_ae")
  encode, decode = _functions("video_dc_ae", fields)
  found: Arrays = {}
  for name in given:
    if name.startswith("video_"):
      latents = encode(params, channels_last(given[name]))
      found[f"enc_{name}"] = latents
      found[f"rec_{name}"] = decode(params, latents)
    if name.startswith("latent_"):
      found[f"dec_{name}"] = decode(params, channels_last(given[name]))
  for name, tiles in case.config.get("tilings", {}).items():
    tiled_encode, tiled_decode = _functions(
      "video_dc_ae",
      fields
      | {
        "tile_size": tiles["spatial"],
        "tile_frames": tiles["temporal"],
        "overlap": tiles["overlap"],
      },
    )
    if f"tv_{name}" in given:
      found[f"tenc_{name}"] = tiled_encode(
        params, channels_last(given[f"tv_{name}"])
      )
    if f"tz_{name}" in given:
      found[f"tdec_{name}"] = tiled_decode(
        params, channels_last(given[f"tz_{name}"])
      )
  if "pipe_images01" in given:
    images = 2.0 * channels_last(given["pipe_images01"]) - 1.0
    scaled = scaling.restore(channels_last(given["pipe_scaled_latents"]))
    latents = encode(params, images)
    found["pipe_first_stage_encode"] = scaling.normalize(latents)
    found["pipe_last_stage_decode"] = _pixels(decode(params, scaled))
  return {name: channels_first(x) for name, x in found.items()}


def _functions(name: str, fields: Any) -> tuple[Any, Any]:
  """Compiled (params, images) -> mean and (params, latents) -> images."""
  net = codec_network(name, fields)
  return jit(lambda params, x: net.encode(params, x).mean), jit(net.decode)


def wan_vae(case: Case) -> Arrays:
  """Clips of every length, single images, and the release's pipeline."""
  given = case.inputs
  fields = codec_fields("wan_vae", case.config["reduced"])
  params = load_codec("wan_vae", case.weights, fields)
  scaling = _scaling(case, "wan_vae")
  encode, decode = _functions("wan_vae", fields)

  def decoded(latents: Any) -> Any:
    return decode(params, scaling.restore(jnp.asarray(latents)))

  found: Arrays = {}
  for name in given:
    if name.startswith("video_"):
      mean = encode(params, channels_last(given[name]))
      found[f"mu_unscaled_{name}"] = mean
      found[f"enc_{name}"] = scaling.normalize(mean)
      found[f"rec_{name}"] = decoded(scaling.normalize(mean))
    if name.startswith("latent_"):
      found[f"dec_{name}"] = decoded(channels_last(given[name]))
  if "pipe_images01" in given:
    images = 2.0 * channels_last(given["pipe_images01"]) - 1.0
    found["pipe_first_stage_encode"] = scaling.normalize(encode(params, images))
    scaled = channels_last(given["pipe_scaled_latents"])
    chunk = published("wan_vae").grouping.unit_latents
    found["pipe_last_stage_decode"] = _groups(decoded, scaled, chunk)
    single = "pipe_last_stage_decode_single"
    if single in case.outputs:
      count = case.outputs[single].shape[1]
      found[single] = _groups(decoded, scaled[:, :count], 1)
    if "single_image_latents" in case.outputs:
      count = case.outputs["single_image_latents"].shape[1]
      alone = rearrange(images[:, :count], "b t h w c -> (b t) 1 h w c")
      mean = rearrange(
        encode(params, alone), "(b t) 1 h w c -> b t h w c", b=images.shape[0]
      )
      found["single_image_latents"] = scaling.normalize(mean)
  found = {name: channels_first(x) for name, x in found.items()}
  for name in case.outputs:
    clip = re.fullmatch(r"patchify_(.*)", name)
    if clip:
      patches = patchify(
        channels_last(given[clip[1]]), case.config["reduced"]["patch_size"]
      )
      found[name] = rearrange(np.asarray(patches), "b t h w c -> b c t h w")
  return found


def _groups(decoded: Any, latents: np.ndarray, size: int) -> np.ndarray:
  """Decodes runs of `size` latents apart and joins their pixels in time."""
  alone = rearrange(latents, "b (n l) h w c -> (b n) l h w c", l=size)
  return _pixels(
    rearrange(
      decoded(alone), "(b n) t h w c -> b (n t) h w c", b=latents.shape[0]
    )
  )
