"""The three networks in plain NumPy float64, from docs/architecture/.

Written apart from the package, with the release's tensor names and layouts,
to make reference cases of options that no stored case has. `Weights` makes
seeded weights as they are asked for.
"""

import functools
import re
from typing import Any

import numpy as np
from einops import rearrange, reduce, repeat

Array = np.ndarray


# Small enough that the norms' epsilons matter in the first block.
_FAINT = r"y_embed|scene_tokens|x_embedder"


class Weights:
  """Seeded tensors by the release's names, drawn when first asked for."""

  def __init__(self, seed: int, prefix: str) -> None:
    self.rng, self.prefix = np.random.default_rng(seed), prefix
    self.tensors: dict[str, Array] = {}

  def __call__(self, name: str, *shape: int, scale: bool = False) -> Array:
    name = self.prefix + name
    if name not in self.tensors:
      drawn = 0.15 * self.rng.standard_normal(shape) + scale
      if re.search(_FAINT, name):
        drawn *= 3e-3
      self.tensors[name] = drawn.astype(np.float32)
    return self.tensors[name].astype(np.float64)


def linear(
  w: Weights, name: str, x: Array, out: int, bias: bool = True
) -> Array:
  y = x @ w(f"{name}.weight", out, x.shape[-1]).T
  return y + w(f"{name}.bias", out) if bias else y


def conv(w: Weights, name: str, x: Array, out: int, patch: int) -> Array:
  """x [B V C h w] -> [B V n D]: kernel and stride are the patch."""
  x = rearrange(x, "b v c (i p) (j q) -> b v (i j) c p q", p=patch, q=patch)
  kernel = w(f"{name}.weight", out, x.shape[3], patch, patch)
  return np.einsum("bvncpq,ocpq->bvno", x, kernel) + w(f"{name}.bias", out)


def silu(x: Array) -> Array:
  return x / (1 + np.exp(-x))


def gelu(x: Array) -> Array:
  return x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def softmax(x: Array) -> Array:
  e = np.exp(x - x.max(-1, keepdims=True))
  return e / e.sum(-1, keepdims=True)


def rms(w: Weights, name: str, x: Array, eps: float) -> Array:
  scale = w(f"{name}.weight", x.shape[-1], scale=True)
  return x / np.sqrt((x**2).mean(-1, keepdims=True) + eps) * scale


def layer(x: Array, eps: float) -> Array:
  x = x - x.mean(-1, keepdims=True)
  return x / np.sqrt((x**2).mean(-1, keepdims=True) + eps)


def block_norm(w: Weights, name: str, x: Array, k: dict, eps: float) -> Array:
  return rms(w, name, x, eps) if k["use_rmsnorm"] else layer(x, 1e-6)


def rotate(x: Array, angles: Array) -> Array:
  """x [B n H d] by angles [n d]: neighbouring channels are a pair."""
  turned = np.empty_like(x)
  turned[..., 0::2], turned[..., 1::2] = -x[..., 1::2], x[..., 0::2]
  angles = angles[:, None]
  return x * np.cos(angles) + turned * np.sin(angles)


def ladder(count: int, channels: int) -> Array:
  i = np.arange(channels // 2)
  angles = np.arange(count)[:, None] * 10000.0 ** (-2 * i / channels)
  return np.repeat(angles, 2, axis=-1)


def rope_2d(side: int, d: int) -> Array:
  axis = ladder(side, d // 2)
  rows = repeat(axis, "h c -> (h w) c", w=side)
  return np.concatenate([rows, repeat(axis, "w c -> (h w) c", h=side)], -1)


def rope_3d(sizes: tuple[int, int, int], d: int) -> Array:
  q, rest = divmod(d // 2, 3)
  pairs = {0: (q, q, q), 1: (q + 1, q, q), 2: (q, q + 1, q + 1)}[rest]
  t, h, w = (ladder(n, 2 * p) for n, p in zip(sizes, pairs, strict=True))
  grid = "c -> (t h w) c"
  return np.concatenate(
    [
      repeat(t, f"t {grid}", h=sizes[1], w=sizes[2]),
      repeat(h, f"h {grid}", t=sizes[0], w=sizes[2]),
      repeat(w, f"w {grid}", t=sizes[0], h=sizes[1]),
    ],
    -1,
  )


def attend(
  w: Weights,
  name: str,
  x: Array,
  k: dict,
  eps: float,
  context: Array | None = None,
  turn_q: Array | None = None,
  turn_k: Array | None = None,
  causal: bool = False,
) -> Array:
  width, heads = x.shape[-1], k["num_heads"]
  if context is None:
    parts = np.split(linear(w, f"{name}.qkv", x, 3 * width), 3, axis=-1)
  else:
    sources = {"to_q": x, "to_k": context, "to_v": context}
    parts = [
      linear(w, f"{name}.{n}", source, width) for n, source in sources.items()
    ]
  query, key, value = (
    rearrange(p, "b n (h d) -> b n h d", h=heads) for p in parts
  )
  if k["use_qknorm"]:
    query = _head_norm(w, f"{name}.q_norm", query, k, eps)
    key = _head_norm(w, f"{name}.k_norm", key, k, eps)
  if turn_q is not None:
    query = rotate(query, turn_q)
  if turn_k is not None:
    key = rotate(key, turn_k)
  scores = np.einsum("bnhd,bmhd->bhnm", query, key) / np.sqrt(query.shape[-1])
  if causal:
    scores = np.where(np.tri(*scores.shape[-2:], dtype=bool), scores, -np.inf)
  out = np.einsum("bhnm,bmhd->bnhd", softmax(scores), value)
  return linear(w, f"{name}.proj", rearrange(out, "b n h d->b n (h d)"), width)


def _head_norm(w: Weights, name: str, x: Array, k: dict, eps: float) -> Array:
  if k["use_rmsnorm"]:
    return rms(w, name, x, eps)
  scale = w(f"{name}.weight", x.shape[-1], scale=True)
  return layer(x, 1e-5) * scale + w(f"{name}.bias", x.shape[-1])


def mlp(w: Weights, name: str, x: Array, k: dict) -> Array:
  width = x.shape[-1]
  hidden = int(width * k["mlp_ratio"])
  if not k["use_swiglu"]:
    x = gelu(linear(w, f"{name}.fc1", x, hidden))
    return linear(w, f"{name}.fc2", x, width)
  hidden = int(2 / 3 * hidden)
  a, b = np.split(linear(w, f"{name}.w12", x, 2 * hidden), 2, axis=-1)
  return linear(w, f"{name}.w3", silu(a) * b, width)


def modulation(w: Weights, name: str, c: Array, k: dict) -> list[Array]:
  """shift, scale, gate of attention and MLP."""
  chunks = 4 if k["wo_shift"] else 6
  width = c.shape[-1]
  out = linear(w, f"{name}.adaLN_modulation.1", silu(c), chunks * width)
  m = np.split(out, chunks, axis=-1)
  zero = np.zeros_like(m[0])
  return [zero, m[0], m[1], zero, m[2], m[3]] if k["wo_shift"] else m


def ray_map(camera: dict, extrinsics: Array, intrinsics: Array) -> Array:
  """[B V 6 h w]."""
  rows, columns = camera["input_shape"]
  x, y = np.meshgrid(
    (np.arange(columns) + 0.5) / columns, (np.arange(rows) + 0.5) / rows
  )
  pixels = np.stack([x, y, np.ones_like(x)], -1)
  k = intrinsics.astype(np.float64).copy()
  k[..., 0, 0] *= camera["scale"][0]
  k[..., 1, 1] *= camera["scale"][1]

  def unit(v: Array) -> Array:
    return v / (np.linalg.norm(v, axis=-1, keepdims=True) + 1e-6)

  d = unit(np.einsum("bvij,hwj->bvhwi", np.linalg.inv(k), pixels))
  d = np.einsum("bvij,bvhwj->bvhwi", extrinsics[..., :3, :3], d)
  d = unit(d) if camera["normalize"] else d
  o = np.broadcast_to(extrinsics[:, :, None, None, :3, 3], d.shape)
  second = np.cross(o, d) if camera["name"] == "plucker" else o
  halves = [second, d] if camera["origin_first"] else [d, second]
  return rearrange(np.concatenate(halves, -1), "b v h w c -> b v c h w")


def group(rays: Array, t: int, wan: bool) -> Array:
  """[B frames 6 h w] -> [B L (t 6) h w]."""
  if wan:
    chunks = np.split(rays, rays.shape[1] // 17, axis=1)
    padded = []
    for chunk in chunks:
      zeros = np.zeros_like(chunk[:, : t - 1])
      padded += [chunk[:, :1], zeros, chunk[:, 1:]]
    rays = np.concatenate(padded, axis=1)
  return rearrange(rays, "b (v t) c h w -> b v (t c) h w", t=t)


def pose_embed(
  w: Weights, name: str, camera: dict, rays: Array, width: int, t: int = 1
) -> Array:
  """rays [B V C H W] -> [B V n D]."""
  embedding = camera["embedding"]
  patch = embedding["patch_size"]
  if embedding["name"] == "lvsm":
    vectors = rearrange(
      rays,
      "b v (t c) (i p) (j q) -> b v (i j) (t p q c)",
      t=t,
      p=patch,
      q=patch,
    )
    return linear(w, f"{name}.model.model.1", vectors, width, bias=False)
  y = conv(w, f"{name}.model.model.proj", rays, width, patch)
  side = max(camera["input_shape"])
  base = camera["input_shape"][0] // patch
  table = _sincos(side, base, width)
  w.tensors[f"{w.prefix}{name}.model.model.pos_embed"] = table.astype(
    np.float32
  )[None]
  table = rearrange(table, "(h w) d -> h w d", h=side)
  n, m = (size // patch for size in camera["input_shape"])
  top, left = (side - n) // 2, (side - m) // 2
  crop = table[top : top + n, left : left + m]
  return y + rearrange(crop, "h w d -> (h w) d")


def _sincos(side: int, base: int, width: int) -> Array:
  positions = np.arange(side, dtype=np.float32) / (side / base)
  omega = 10000.0 ** (-np.arange(width // 4) / (width // 4))
  angles = positions.astype(np.float64)[:, None] * omega
  wave = np.concatenate([np.sin(angles), np.cos(angles)], -1)
  columns = repeat(wave, "w d -> (h w) d", h=side)
  return np.concatenate([columns, repeat(wave, "h d -> (h w) d", w=side)], -1)


def timestep_embed(
  w: Weights, name: str, t: Array, k: dict, width: int
) -> Array:
  half = k["frequency_embedding_size"] // 2
  omega = np.exp(-np.log(10000) * np.arange(half) / half)
  angles = t[..., None].astype(np.float64) * omega
  x = np.concatenate([np.cos(angles), np.sin(angles)], -1)
  x = silu(linear(w, f"{name}.mlp.0", x, width))
  return linear(w, f"{name}.mlp.2", x, width)


def compressor(w: Weights, config: dict, given: dict) -> dict[str, Array]:
  """Outputs of the tokenizer for one run."""
  block = config["compressor"]
  k, kind = block["kwargs"], block["camera_conditioning"]
  eps, width = 1.1920929e-7, k["hidden_size"]
  norm = functools.partial(block_norm, k=k, eps=eps)
  att = functools.partial(attend, k=k, eps=eps)
  view = given["view"].astype(np.float64)
  batch, views, _, height, columns = view.shape
  rays = ray_map(block["camera"], given["extrinsics"], given["intrinsics"])
  pe = None
  if kind == "concat":
    view = np.concatenate([view, rays], axis=2)
  else:
    pe = pose_embed(w, "pose_embed", block["camera"], rays, width)
    pe = rearrange(pe, "b v n d -> b (v n) d")
  y = conv(w, "y_embed.proj", view, width, k["patch_size"])
  y = rearrange(y, "b v n d -> b (v n) d")
  if kind == "add":
    y = y + pe
  tokens = w("scene_tokens", 1, block["num_scene_tokens"], width)
  x = repeat(tokens, "1 n d -> b n d", b=batch)
  if block.get("use_scene_norm"):
    x = rms(w, "scene_norm", x, eps)
  grid = (height // k["patch_size"], columns // k["patch_size"])
  turn = None
  if k["use_rope_2d"]:
    angles = rope_2d(grid[0], width // k["num_heads"])
    for wave in ("cos", "sin"):
      w.tensors[f"{w.prefix}feat_rope.freqs_{wave}"] = getattr(np, wave)(
        angles
      ).astype(np.float32)
    turn = repeat(angles, "n d -> (v n) d", v=views)
  if k["use_rope_3d"]:
    built = config["num_context_views_at_construction"]
    turn = rope_3d((built, *grid), width // k["num_heads"])
    turn = turn[: views * grid[0] * grid[1]]
  for i in range(k["depth"]):
    name, last = f"aggregate.{i}", i == k["depth"] - 1
    m: list[Any] = [0, 0, 1, 0, 0, 1]
    if kind == "adaLN":
      m = modulation(w, name, pe, k)
    h = norm(w, f"{name}.norm1", y) * (1 + m[1]) + m[0]
    y = y + m[2] * att(w, f"{name}.attn1", h, turn_q=turn, turn_k=turn)
    h = norm(w, f"{name}.norm2", x)
    causal = block["causal_self_atten"]
    x = x + att(w, f"{name}.attn2", h, causal=causal)
    x = x + att(w, f"{name}.attn3", x, context=y, turn_k=turn)
    if not last:
      h = norm(w, f"{name}.norm3", y) * (1 + m[4]) + m[3]
      y = y + m[5] * mlp(w, f"{name}.mlp1", h, k)
    x = x + mlp(w, f"{name}.mlp2", norm(w, f"{name}.norm4", x), k)
  channels = block["token_dim"]
  if block["scene_token_projection"] == "simple":
    if block.get("norm_before_proj"):
      x = rms(w, "norm", x, eps)
    x = linear(w, "out_proj", x, channels)
    return {
      "tokens": x if block.get("norm_before_proj") else rms(w, "norm", x, eps)
    }
  out = linear(w, "out_proj.0", x, 2 * channels)
  mean, logvar = np.split(out, 2, axis=-1)
  logvar = np.clip(logvar, -30, 20)
  std = np.exp(logvar / 2)
  kl = (mean**2 + np.exp(logvar) - 1 - logvar).sum((1, 2)) / 2
  return {
    "parameters": out,
    "mean": mean,
    "logvar": logvar,
    "std": std,
    "kl": kl,
    "sample": mean + std * given["posterior_noise"],
  }


def flow_blocks(
  w: Weights,
  k: dict,
  x: Array,
  c: Array,
  condition: Array,
  turn: Array | None,
  outputs: int,
  causal: bool = False,
) -> Array:
  """adaLN blocks and last layer that both flow networks share."""
  norm = functools.partial(block_norm, k=k, eps=1e-6)
  att = functools.partial(attend, k=k, eps=1e-6)
  for i in range(k["depth"]):
    name = f"model.blocks.{i}"
    m = modulation(w, name, c, k)
    h = norm(w, f"{name}.norm1", x) * (1 + m[1]) + m[0]
    h = att(w, f"{name}.attn", h, turn_q=turn, turn_k=turn, causal=causal)
    x = x + m[2] * h
    x = x + att(w, f"{name}.attn2", x, context=condition, turn_q=turn)
    h = norm(w, f"{name}.norm2", x) * (1 + m[4]) + m[3]
    x = x + m[5] * mlp(w, f"{name}.mlp", h, k)
  name, width = "model.final_layer", x.shape[-1]
  out = linear(w, f"{name}.adaLN_modulation.1", silu(c), 2 * width)
  shift, scale = np.split(out, 2, axis=-1)
  x = norm(w, f"{name}.norm_final", x) * (1 + scale) + shift
  return linear(w, f"{name}.linear", x, outputs)


def denoiser(w: Weights, config: dict, given: dict) -> dict[str, Array]:
  """Outputs of the renderer for one run."""
  block = config["denoiser"]
  k, camera = block["kwargs"], block["camera"]
  width, patch = k["hidden_size"], k["patch_size"]
  latents = given["latents"].astype(np.float64)
  count, channels, side = latents.shape[1:4]
  condition = linear(w, "cnd_proj", given["tokens"].astype(np.float64), width)
  rays = ray_map(camera, given["extrinsics"], given["intrinsics"])
  t = config["temporal_downsample_at_call"]
  rays = group(rays, t, config["using_wan"])
  order = config["temporal_downsample_at_construction"]
  pe = pose_embed(w, "pose_embed", camera, rays, width, order)
  x = conv(w, "model.x_embedder.proj", latents, width, patch)
  time = timestep_embed(w, "model.t_embedder", given["timestep"], k, width)
  c = time[:, :, None] + pe
  x, c = (rearrange(a, "b v n d -> b (v n) d") for a in (x, c))
  turn = None
  if k["use_rope_3d"]:
    split = block["num_target_split"]
    built = config["num_target_latents_at_construction"] // split
    table = rope_3d(
      (built, side // patch, side // patch), width // k["num_heads"]
    )
    turn = np.tile(table[: x.shape[1] // split], (split, 1))
  out = flow_blocks(
    w, k, x, c, condition, turn, patch**2 * channels, block["causal_attention"]
  )
  shape = "b (v i j) (p q c) -> b v c (i p) (j q)"
  n = side // patch
  return {"pred": rearrange(out, shape, v=count, i=n, j=n, p=patch, q=patch)}


def scene_generator(w: Weights, config: dict, given: dict) -> dict[str, Array]:
  """Outputs of SceneGen for one run."""
  block = config["scene_generator"]
  k, camera = block["kwargs"], block["camera"]
  width = k["hidden_size"]
  state = given["state"].astype(np.float64)
  x = linear(w, "model.x_embedder", state, width)
  x = x + w("model.pos_embed", 1, *x.shape[1:])
  latents = given["cond_latents"].astype(np.float64)
  y = conv(w, "model.c_embedder.proj", latents, width, k["patch_size"])

  def rays(kind: str) -> Array:
    views = (given[f"{kind}_extrinsics"], given[f"{kind}_intrinsics"])
    return ray_map(camera, *views)

  y = y + pose_embed(w, "pose_embed", camera, rays("cond"), width)
  null = w("model.null_tokens", 1, 1, width)
  y = np.where(given["cond_mask"][:, :, None, None], y, null)
  y = rearrange(y, "b v n d -> b (v n) d")
  if block["camera_type"] == "flatten":
    flat = [
      rearrange(given[f"anchor_{name}"], "b v i j -> b v (i j)")
      for name in ("extrinsics", "intrinsics")
    ]
    a = linear(w, "anchor_pose_embed.0", np.concatenate(flat, -1), width)
    anchors = linear(w, "anchor_pose_embed.2", silu(a), width)
  else:
    a = pose_embed(w, "anchor_pose_embed", camera, rays("anchor"), width)
    anchors = reduce(a, "b v n d -> b v d", "mean")
  c = timestep_embed(w, "model.t_embedder", given["timestep"], k, width)
  y = np.concatenate([y, anchors], axis=1)
  return {"pred": flow_blocks(w, k, x, c, y, None, state.shape[-1])}
