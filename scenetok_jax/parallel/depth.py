"""Two layouts of the parameters of a stack of blocks.

Stacked, {"blocks": leaves [depth ...]}: what is initialised, stored, sharded
and scanned over. Apart, {"blocks": {"0": leaves [...], "1": ...}}: a scan
copies each block's weights out of the stack and its gradients into one, which
costs a CPU up to a tenth of the time (docs/performance.md). Networks take
either (nn.blocks.stack); programs grow with depth where blocks are apart.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from scenetok_jax.parallel.rules import path_name
from scenetok_jax.parallel.runtime import is_one_cpu

BLOCKS = "blocks"
# Bytes of stacked blocks from which their copies cost more than compilation.
_LARGE = 1 << 28


def apart_pays(
  params: Any, devices: Sequence[Any], remat: str = "none"
) -> bool:
  """Whether networks of this size run faster apart: on one CPU, if large.

  remat: of a train step. Only a scan keeps XLA for CPUs from recomputing
  blocks long before they are needed, which saves no memory.
  """
  if remat != "none" or not is_one_cpu(devices):
    return False
  return _blocks_bytes(params) >= _LARGE


def for_devices(params: Any, devices: Sequence[Any]) -> Any:
  """Parameters in the layout that is faster on these devices."""
  return apart(params) if apart_pays(params, devices) else params


def is_apart(blocks: Any) -> bool:
  """Whether the parameters below "blocks" have one entry per block."""
  return isinstance(blocks, Mapping) and "0" in blocks


def apart(tree: Any, free: bool = False) -> Any:
  """A tree of (abstract) arrays with every stack of blocks taken apart.

  Args:
    tree: parameters, or a state whose moments are trees like them.
    free: deletes each stacked array when it has been copied.
  """

  def split(blocks: Any) -> Any:
    if is_apart(blocks):
      return blocks
    leaves, structure = jax.tree.flatten(blocks)
    columns = [_unstacked(leaf, free) for leaf in leaves]
    rows = zip(*columns, strict=True)
    return {
      str(n): jax.tree.unflatten(structure, row) for n, row in enumerate(rows)
    }

  return _at_blocks(split, tree)


def stacked(tree: Any, free: bool = False) -> Any:
  """The inverse of `apart`; leaves stacked blocks alone.

  free: deletes the arrays of a stack when they have been copied.
  """

  return _joined(tree, lambda *leaves: _stacked(leaves, free))


def stacked_leaves(tree: Any) -> Iterator[tuple[Any, Any]]:
  """(path, array) of `stacked(tree)` in order, one stack in memory at a time.

  Arrays of a stack are NumPy's.
  """

  tree = _joined(tree, lambda *leaves: _Parts(leaves))
  for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
    yield path, np.stack(leaf.leaves) if isinstance(leaf, _Parts) else leaf


@dataclasses.dataclass(frozen=True)
class _Parts:
  """One parameter of all blocks; to jax.tree a single leaf."""

  leaves: Sequence[Any]


def _joined(tree: Any, join: Callable[..., Any]) -> Any:
  """Every parameter of blocks that are apart as join(*its values)."""

  def change(blocks: Any) -> Any:
    if not is_apart(blocks):
      return blocks
    parts = [blocks[str(n)] for n in range(len(blocks))]
    return jax.tree.map(join, *parts)

  return _at_blocks(change, tree)


def _stacked(leaves: Sequence[Any], free: bool) -> Any:
  whole = jnp.stack(leaves)
  if free:
    whole.block_until_ready()
    for leaf in leaves:
      leaf.delete()
  return whole


def _unstacked(leaf: Any, free: bool) -> list[Any]:
  if isinstance(leaf, jax.ShapeDtypeStruct):
    return [jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype)] * leaf.shape[0]
  parts = [leaf[n] for n in range(leaf.shape[0])]
  if free:
    jax.block_until_ready(parts)
    leaf.delete()
  return parts


def _blocks_bytes(tree: Any) -> int:
  return sum(
    leaf.size * leaf.dtype.itemsize
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    if BLOCKS in path_name(path).split("/")
  )


def _at_blocks(change: Callable[[Any], Any], tree: Any) -> Any:
  """Applies `change` to what lies below every key "blocks" of a tree."""

  def is_network(node: Any) -> bool:
    return isinstance(node, Mapping) and BLOCKS in node

  def visit(node: Any) -> Any:
    if not is_network(node):
      return node
    return {**node, BLOCKS: change(node[BLOCKS])}

  return jax.tree.map(visit, tree, is_leaf=is_network)
