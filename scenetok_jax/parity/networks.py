"""Cases of one network: compressor, denoiser, scene_generator."""

from typing import Any

import numpy as np
from einops import rearrange

from scenetok_jax.flow.losses import kl_divergence
from scenetok_jax.parity import modules
from scenetok_jax.parity.case import Arrays, Case, prefixed
from scenetok_jax.types import InputError


def compressor(case: Case) -> Arrays:
  """Posterior (or tokens) and intermediates of the tokenizer."""
  net = modules.tokenizer(case)
  found: Arrays = {}
  params = None
  for run in case.config["runs"]:
    prefix = run["prefix"]
    given = case.given(prefix)
    inputs = (modules.channels_last(given["view"]), case.cameras("", given))
    if params is None:
      params = modules.weights(case, net, *inputs)
    posterior, parts = modules.apply(net, params, *inputs)
    out: Arrays = {"tokens": posterior.mean}
    if posterior.logvar is not None:
      out = {
        "parameters": parts["head"],
        "mean": posterior.mean,
        "logvar": posterior.logvar,
        "std": np.exp(posterior.logvar / 2),
        "kl": kl_divergence(posterior),
        "sample": posterior.sample(given["posterior_noise"]),
      }
    out |= _tokenizer_parts(parts, net.depth)
    out |= _embeddings(parts, net, given["view"].shape[1])
    found |= prefixed(prefix, out)
  return found


def _tokenizer_parts(parts: Arrays, depth: int) -> Arrays:
  """States after each block; the last one's views are read by nothing."""
  blocks = [
    (parts["blocks"][0][0][i], parts["blocks"][0][1][i])
    for i in range(depth - 1)
  ]
  found = {f"mid_block{i}_x": x for i, (x, _) in enumerate(blocks)}
  found |= {f"mid_block{i}_y": y for i, (_, y) in enumerate(blocks)}
  return found | {f"mid_block{depth - 1}_x": parts["last_block"][0][0]}


def _embeddings(parts: Arrays, net: Any, views: int) -> Arrays:
  """Embedded latents and cameras in the reference's layouts."""
  found = {"mid_patch_embed": rearrange(parts["latents"], "b v n d->(b v) n d")}
  if "camera" in parts:
    found["mid_pose_embed"] = _grid(parts["camera"], net)
  return found


def _grid(embedding: np.ndarray, net: Any) -> np.ndarray:
  """[B V h*w D] -> [B V D h w]."""
  rows = net.rays.size[0] // net.rays.patch
  return rearrange(embedding, "b v (h w) d -> b v d h w", h=rows)


# The null token stands alone or once per scene token: the same function.
_CONDITIONS = ("tokens", "null", "null_single", "zeros")


def denoiser(case: Case) -> Arrays:
  """Predicted velocity and intermediates of the renderer."""
  net = modules.decoder(case)
  found: Arrays = {}
  params = None
  for run in case.config["runs"]:
    prefix = run["prefix"]
    given = case.given(prefix)
    kind = case.one_of(run, "condition", _CONDITIONS)
    # Condition "zeros" is the sampler without tokens: zeros are projected.
    tokens = modules.any_tokens(case, given["latents"].shape[0])
    if kind == "tokens":
      tokens = given["tokens"]
    inputs = (
      modules.channels_last(given["latents"]),
      given["timestep"],
      case.cameras("", given),
      tokens,
    )
    if params is None:
      params = modules.weights(case, net, *inputs)
    null = kind.startswith("null")
    if null and not net.null_token:
      raise InputError(
        f"{case.weights}: denoiser.null_tokens: missing; condition {kind!r} of"
        f" {prefix} needs it"
      )
    flags = {"unconditional": np.asarray(null)} if net.null_token else {}
    velocity, parts = modules.apply(net, params, *inputs, **flags)
    out = {"pred": modules.channels_first(velocity)}
    if not null:
      out["mid_condition"] = parts["condition_embed"]
    out |= _embeddings(parts, net, given["latents"].shape[1])
    modulation = parts["timestep"][:, :, None] + parts["camera"]
    out["mid_t_embedder"] = rearrange(modulation, "b l n d -> (b l) n d")
    out |= _blocks(parts)
    found |= prefixed(prefix, out)
  return found


def _blocks(parts: Arrays) -> Arrays:
  return {f"mid_block{i}": x for i, x in enumerate(parts["blocks"][0])}


def scene_generator(case: Case) -> Arrays:
  """Predicted velocity of scene tokens and intermediates."""
  net = modules.generator(case)
  found: Arrays = {}
  params = None
  for run in case.config["runs"]:
    prefix = run["prefix"]
    given = case.given(prefix)
    inputs = (
      given["state"],
      given["timestep"],
      modules.channels_last(given["cond_latents"]),
      case.cameras("cond_", given),
      case.cameras("anchor_", given),
    )
    if params is None:
      params = modules.weights(case, net, *inputs)
    mask = given.get("cond_mask")
    velocity, parts = modules.apply(net, params, *inputs, visible=mask)
    out = {
      "pred": velocity,
      "mid_x_embedder": parts["embed"],
      "mid_c_embedder": rearrange(parts["latents"], "b v n d -> (b v) n d"),
      "mid_t_embedder": parts["timestep"],
      "mid_pose_embed": _grid(parts["camera"], net),
      **_blocks(parts),
    }
    if "anchor_camera" in parts:
      out["mid_anchor_pose_embed"] = _grid(parts["anchor_camera"], net)
    found |= prefixed(prefix, out)
  return found
