"""Rename rules of the layers that the reference's networks share.

Every function takes the layer's torch name and parameter path, either of
which may contain the layer count (see convert.engine.Rule).
"""

from typing import Any

import numpy as np

from scenetok_jax.convert.engine import Rule
from scenetok_jax.ops.rope import sincos_table

Rules = tuple[Rule, ...]


def same(torch: str, flax: str) -> Rules:
  """A vector with one layout on both sides."""
  return (Rule(torch, (flax,), "d -> d"),)


def tokens(torch: str, flax: str) -> Rules:
  """Learned tokens [1 N D] <-> [N D]."""
  return (Rule(torch, (flax,), "1 n d -> n d"),)


def linear(torch: str, flax: str, *, bias: bool = True) -> Rules:
  """Linear [out in] <-> kernel [in out]."""
  kernel = Rule(f"{torch}.weight", (f"{flax}/kernel",), "o i -> i o")
  return (kernel, *(same(f"{torch}.bias", f"{flax}/bias") if bias else ()))


def patches(torch: str, flax: str, patch: int) -> Rules:
  """Strided convolution [out in p q] <-> kernel [(p q in) out]."""
  names, sizes = (f"{flax}/kernel",), (("p", patch), ("q", patch))
  kernel = Rule(f"{torch}.weight", names, "o c p q -> (p q c) o", sizes)
  return (kernel, *same(f"{torch}.bias", f"{flax}/bias"))


def camera(torch: str, flax: str, net: Any) -> Rules:
  """A learned embedding of ray maps; net has camera_embedding and rays."""
  if net.camera_embedding == "linear":
    # Index 0 of the reference's pair cuts the map into patches.
    return linear(f"{torch}.model.model.1", f"{flax}/embed", bias=False)
  return patches(
    f"{torch}.model.model.proj", f"{flax}/rays/embed", net.rays.patch
  )


def camera_buffers(torch: str, net: Any) -> dict[str, Any]:
  """What the reference stores beside it: a whole table of positions."""
  if net.camera_embedding == "linear":
    return {}

  def positions() -> np.ndarray:
    """[1 G*G D]; the network uses its centre (nn.embed.sincos_crop)."""
    size, patch = net.rays.size, net.rays.patch
    grid = max(size)
    # The reference divides in float32, then encodes in float64.
    axis = np.arange(grid, dtype=np.float32) / (grid / (size[0] // patch))
    return sincos_table(axis, axis, net.width)[None]

  return {f"{torch}.model.model.pos_embed": positions}


def norm(torch: str, flax: str, kind: str, *, affine: bool = False) -> Rules:
  """RMSNorm's scale; LayerNorm has parameters only if affine."""
  rules: Rules = ()
  if kind == "rms" or affine:
    rules += same(f"{torch}.weight", f"{flax}/scale")
  if kind == "layer" and affine:
    rules += same(f"{torch}.bias", f"{flax}/bias")
  return rules


def self_attention(torch: str, flax: str, heads: int, *rest: Any) -> Rules:
  """Attention whose query, key and value are fused in one [3D D] matrix."""
  sizes = (("n", 3), ("h", heads))
  fused = [
    Rule(
      f"{torch}.qkv.{theirs}",
      tuple(f"{flax}/{name}/{ours}" for name in ("query", "key", "value")),
      pattern,
      sizes,
    )
    for theirs, ours, pattern in (
      ("weight", "kernel", "(n h d) i -> n i h d"),
      ("bias", "bias", "(n h d) -> n h d"),
    )
  ]
  return (*fused, *_attention_rest(torch, flax, heads, *rest))


def cross_attention(torch: str, flax: str, heads: int, *rest: Any) -> Rules:
  """Attention with separate projections to_q, to_k, to_v."""
  rules: Rules = ()
  sizes = (("h", heads),)
  for name in ("query", "key", "value"):
    source, target = f"{torch}.to_{name[0]}", f"{flax}/{name}"
    kernel, bias = (f"{target}/kernel",), (f"{target}/bias",)
    rules += (
      Rule(f"{source}.weight", kernel, "(h d) i -> i h d", sizes),
      Rule(f"{source}.bias", bias, "(h d) -> h d", sizes),
    )
  return (*rules, *_attention_rest(torch, flax, heads, *rest))


def _attention_rest(
  torch: str, flax: str, heads: int, qk_norm: bool, kind: str
) -> Rules:
  kernel, sizes = (f"{flax}/out/kernel",), (("h", heads),)
  rules: Rules = (
    Rule(f"{torch}.proj.weight", kernel, "o (h d) -> h d o", sizes),
    *same(f"{torch}.proj.bias", f"{flax}/out/bias"),
  )
  for name in ("query", "key") if qk_norm else ():
    source, target = f"{torch}.{name[0]}_norm", f"{flax}/{name}_norm"
    rules += norm(source, target, kind, affine=True)
  return rules


def mlp(torch: str, flax: str, swiglu: bool) -> Rules:
  """SwiGLU (w12, w3) or the two layers fc1, fc2."""
  up, down = ("w12", "w3") if swiglu else ("fc1", "fc2")
  return (
    *linear(f"{torch}.{up}", f"{flax}/up"),
    *linear(f"{torch}.{down}", f"{flax}/down"),
  )


def modulation(torch: str, flax: str) -> Rules:
  """adaLN's linear layer; index 0 of the reference's pair is the SiLU."""
  return linear(f"{torch}.adaLN_modulation.1", f"{flax}/adaln/modulation")


def timestep(torch: str, flax: str) -> Rules:
  """The two layers of the timestep embedding."""
  return (
    *linear(f"{torch}.mlp.0", f"{flax}/up"),
    *linear(f"{torch}.mlp.2", f"{flax}/down"),
  )


def dit(torch: str, network: Any) -> Rules:
  """Stacked adaLN blocks and last layer of both rectified-flow networks.

  torch: what the reference's names start with. network.block: a BlockSpec.
  """
  spec = network.block
  fields = (spec.heads, spec.qk_norm, spec.norm)
  block, final = f"{torch}.blocks.{{i}}", f"{torch}.final_layer"
  return (
    *norm(f"{block}.norm1", "blocks/self_norm", spec.norm),
    *self_attention(f"{block}.attn", "blocks/self_attention", *fields),
    *cross_attention(f"{block}.attn2", "blocks/cross_attention", *fields),
    *norm(f"{block}.norm2", "blocks/mlp_norm", spec.norm),
    *mlp(f"{block}.mlp", "blocks/mlp", spec.swiglu),
    *modulation(block, "blocks"),
    *norm(f"{final}.norm_final", "final/norm", spec.norm),
    *linear(f"{final}.linear", "final/head"),
    *modulation(final, "final"),
  )
