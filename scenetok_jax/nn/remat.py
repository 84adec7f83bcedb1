"""What blocks keep of their forward pass for the backward one."""

from collections.abc import Callable
from typing import Any

import jax
from jax.ad_checkpoint import checkpoint_name

from scenetok_jax.ops.attention import CUDNN_FORWARD
from scenetok_jax.ops.cpu import product
from scenetok_jax.ops.splash import KEPT
from scenetok_jax.types import Array

# Products with parameters that give a block's width, not several times it.
_NARROW = "narrow"
_policies = jax.checkpoint_policies
_Policy = Callable[..., Any]


def _keeping(*policies: _Policy) -> _Policy:
  """What any of them keeps, and fused attention, which cuDNN's cannot name."""

  def keeps(primitive: Any, *args: Any, **params: Any) -> Any:
    if primitive.name == CUDNN_FORWARD:
      return True
    found = (policy(primitive, *args, **params) for policy in policies)
    return next((kept for kept in found if kept), False)

  return keeps


# The one that keeps least on the devices comes first.
REMAT_POLICIES: dict[str, _Policy | None] = {
  "full": None,  # keep nothing: recompute the whole block
  "offload": _keeping(
    _policies.save_and_offload_only_these_names(
      names_which_can_be_saved=[],
      names_which_can_be_offloaded=[_NARROW, KEPT],
      offload_src="device",
      offload_dst="pinned_host",
    )
  ),
  "narrow": _keeping(_policies.save_only_these_names(_NARROW, KEPT)),
  "dots": _keeping(
    _policies.checkpoint_dots_with_no_batch_dims,
    _policies.save_only_these_names(KEPT),
  ),
  "none": _policies.everything_saveable,
}


def narrow_product(*args: Any, **kwargs: Any) -> Array:
  """ops.cpu.product of a width that the policy "narrow" keeps."""
  return checkpoint_name(product(*args, **kwargs), _NARROW)
