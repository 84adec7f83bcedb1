"""The options that every block of every network shares, once."""

import dataclasses
from typing import Any, TypeVar

import jax.numpy as jnp

from scenetok_jax.ops.attention import PLAIN

# torch's nn.RMSNorm with eps unset: float32 machine epsilon.
TORCH_EPSILON = 1.1920929e-7
LAYER_NORM_EPSILON = 1e-6

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class BlockSpec:
  """What every block of a network is made of.

  heads: of every attention.
  mlp_ratio: hidden size of an MLP over its width, before SwiGLU's 2/3.
  qk_norm: normalises each head's queries and keys.
  swiglu: SwiGLU, else a tanh-GELU.
  norm: "rms", with a scale, or "layer", without parameters.
  rms_epsilon: of RMS norms.
  shift: adaLN shifts besides scaling.
  scheme: initialisation of attentions and MLPs (nn.init).
  dtype: of the computation.
  attention: ops.attention.attend's kernel; its PLAIN also makes norms plain.
  remat: nn.remat.REMAT_POLICIES; what a block keeps for its backward pass.
  """

  heads: int = 12
  mlp_ratio: float = 4.0
  qk_norm: bool = False
  swiglu: bool = True
  norm: str = "rms"
  rms_epsilon: float = 1e-6
  shift: bool = True
  scheme: str = "torch"
  dtype: Any = jnp.float32
  attention: str = "xla"
  remat: str = "none"

  @property
  def epsilon(self) -> float:
    """Of the norms before attentions and MLPs."""
    return self.rms_epsilon if self.norm == "rms" else LAYER_NORM_EPSILON

  @property
  def plain(self) -> bool:
    """Whether jax.jvp must get through: no gradient is written out."""
    return self.attention == PLAIN


def with_fields(network: T, **fields: Any) -> T:
  """A network with other fields; those of BlockSpec change its `block`."""
  net: Any = network
  names = {field.name for field in dataclasses.fields(BlockSpec)}
  options = {name: fields.pop(name) for name in names & fields.keys()}
  block = dataclasses.replace(net.block, **options)
  return dataclasses.replace(net, **fields, block=block)
