"""FLOPs, HBM traffic and collectives of a compiled program, loops unrolled.

XLA's own cost_analysis counts the body of a loop once. Here a body counts as
often as it runs. All numbers are of one device.
"""

import math
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from scenetok_jax.aot import groups, hlo_traffic
from scenetok_jax.aot.hlo import Computation, Module, Op
from scenetok_jax.train.flops import attention_flops, kernel_flops

COLLECTIVES = {
  "all-gather", "all-reduce", "reduce-scatter", "all-to-all",
  "collective-permute",
}  # fmt: skip
# Axes of a product's left side that it sums over, also where cuBLAS is called.
_CONTRACTED = re.compile(
  r'lhs_contracting_dim(?:s=\{|ensions": ?\[)([^\]}]*)[\]}]'
)
# Parts of the name of an operation that say nothing of where it was written.
_WRAPPERS = {"while", "body", "closed_call", "checkpoint"}


@dataclass(frozen=True)
class Collective:
  """kind, bytes that one device puts in.

  members: devices of one of its groups, of a permutation the two that are
  farthest apart; empty where they are unknown, and count as one. torus:
  sizes of the torus dimensions along which libtpu sends at once; empty where it
  says none: one ring. between_slices: over the network; members are slices.
  """

  kind: str
  payload: int
  members: tuple[int, ...] = ()
  torus: tuple[int, ...] = ()
  between_slices: bool = False

  @property
  def sent(self) -> float:
    """Bytes that one device sends, by the ring algorithms."""
    others = max(len(self.members) - 1, 0)
    share = others / (others + 1)
    return {
      "all-gather": self.payload * others,
      "all-reduce": 2 * self.payload * share,
      "collective-permute": float(self.payload),
    }.get(self.kind, self.payload * share)


class Operation(NamedTuple):
  """FLOPs of matrix products, bytes from and to HBM, where it was written."""

  flops: float
  moved: float
  name: str


@dataclass
class Cost:
  """What a program does on one device, how often.

  kernels: calls of Pallas kernels, cuBLAS and cuDNN by name. unknown_loops:
  loops counted once.
  """

  operations: Counter[Operation] = field(default_factory=Counter)
  collectives: Counter[Collective] = field(default_factory=Counter)
  kernels: Counter[str] = field(default_factory=Counter)
  unknown_loops: int = 0

  def add(self, other: "Cost", times: int = 1) -> None:
    for operation, count in other.operations.items():
      self.operations[operation] += times * count
    for collective, count in other.collectives.items():
      self.collectives[collective] += times * count
    for kernel, count in other.kernels.items():
      self.kernels[kernel] += times * count
    self.unknown_loops += other.unknown_loops

  @property
  def flops(self) -> float:
    return sum(flops * n for (flops, _, _), n in self.operations.items())

  @property
  def bytes(self) -> float:
    return sum(moved * n for (_, moved, _), n in self.operations.items())

  @property
  def sent(self) -> float:
    """Bytes that one device sends in all collectives."""
    return sum(c.sent * count for c, count in self.collectives.items())


def cost(module: Module) -> Cost:
  """Counts the entry computation of a module."""
  return _Counter(module).computation(module.entry)


class _Counter:
  """Counts computations once each, and remembers them."""

  def __init__(self, module: Module) -> None:
    self._module = module
    self._known: dict[tuple[str, bool], Cost] = {}

  def computation(self, name: str, fused: bool = False) -> Cost:
    """Inside a fusion nothing moves to or from HBM."""
    if (name, fused) not in self._known:
      total = self._known[name, fused] = Cost()
      for op in self._module.computations[name].values():
        self._add(total, op, name, fused)
    return self._known[name, fused]

  def _add(self, total: Cost, op: Op, parent: str, fused: bool) -> None:
    called, inside = op.called, self._module.computations[parent]
    if op.kind == "while":
      trips = self._module.trip_count(op, inside)
      total.add(self.computation(called["body"][0]), trips or 1)
      total.unknown_loops += trips is None
      return
    if op.kind == "conditional":
      names = [n for k, names in called.items() if k != "calls" for n in names]
      branches = [self.computation(name) for name in names]
      total.add(max(branches, key=lambda branch: branch.flops))
      return
    if op.kind in ("call", "async-start"):
      for name in called.get("to_apply", []) + called.get("calls", []):
        total.add(self.computation(name))
      return
    if op.is_kernel or op.is_library:
      name = op.name.partition(".")[0] if op.is_kernel else op.target
      total.kernels[name] += 1
    flops = _flops(op, inside)
    if op.kind == "fusion":
      inner = self.computation(called["calls"][0], fused=True)
      flops += inner.flops
      total.add(replace(inner, operations=Counter()))
    kind = op.kind.removesuffix("-start")
    if kind in COLLECTIVES:
      # TPU writes reduce-scatter as a fusion of that name.
      if parent.startswith("all-reduce-scatter"):
        kind = "reduce-scatter"
      given = (buffer for x in op.operands for buffer in inside[x].results)
      payload = sum(buffer.bytes for buffer in given)
      members, torus = groups.members(op.text), _torus(op.text)
      found = Collective(kind, payload, members, torus)
      total.collectives[found] += 1
    if op.kind == "send" and (between := _between_slices(op, inside)):
      total.collectives[between] += 1
    moved = 0 if fused else hlo_traffic.moved(self._module, op, inside)
    if flops or moved:
      total.operations[Operation(flops, moved, _origin(op))] += 1


def _origin(op: Op) -> str:
  """Where an operation was written, as 'decoder/blocks/mlp/up/dot_general'."""
  match = re.search(r'op_name="([^"]*)"', op.text)
  if match is None:
    return op.kind
  parts = re.sub(r"\bjit\([^()]*\)/?", "", match[1]).split("/")
  kept = [part for part in parts if part and part not in _WRAPPERS]
  return "/".join(kept) or op.kind


def _torus(text: str) -> tuple[int, ...]:
  """Sizes of the dimensions of libtpu's strategy for a collective, if any."""
  match = re.search(r"active_dims:([01]+) dim_sizes:([\d,]+)", text)
  if match is None:
    return ()
  sizes = [int(size) for size in match[2].split(",")]
  # The digits of a binary number: the last is of the first dimension; there may
  # be more digits than dimensions.
  flags = match[1].zfill(len(sizes))[::-1]
  return tuple(
    n for n, flag in zip(sizes, flags[: len(sizes)], strict=True) if flag == "1"
  )


def _between_slices(op: Op, inside: Computation) -> Collective | None:
  """What a chip hands to its host for other slices, if that is what it is.

  libtpu writes the part of a collective that crosses slices as a transfer to
  the host, whose runtime carries it out.
  """
  match = re.search(
    r'_xla_megascale_target="\{([\d,:]+)\}.*?'
    r'_xla_megascale_transfer_type="(\w+)"',
    op.text,
  )
  if match is None:
    return None
  slices = [
    number
    for part in match[1].split(",")
    for first, _, last in [part.partition(":")]
    for number in range(int(first), int(last or first) + 1)
  ]
  payload = inside[op.operands[0]].results[0].bytes
  kind = match[2].lower().replace("_", "-")
  return Collective(kind, payload, tuple(slices), between_slices=True)


def _flops(op: Op, inside: Computation) -> float:
  if op.is_kernel:
    return kernel_flops(op.name, _rows(op, inside))
  if op.kind == "convolution":
    return _convolution(op, inside)
  if op.target.startswith("__cudnn$fmha"):
    query, key = (inside[name].results[0].shape for name in op.operands[:2])
    return attention_flops(query, key[1], "Backward" in op.target)
  if op.kind != "dot" and not op.target.startswith("__cublas$"):
    return 0.0
  match = _CONTRACTED.search(op.text)
  shape = inside[op.operands[0]].results[0].shape
  axes = map(int, re.findall(r"\d+", match[1])) if match else ()
  depth = math.prod(shape[axis] for axis in axes)
  return 2.0 * math.prod(op.results[0].shape) * depth


def _rows(op: Op, inside: Computation) -> list[tuple[int, ...]]:
  """Shapes of a kernel's operands that are arrays of numbers in rows."""
  given = (buffer for name in op.operands for buffer in inside[name].results)
  return [x.shape for x in given if len(x.shape) > 2 and "f" in x.dtype]


def _convolution(op: Op, inside: Computation) -> float:
  """Multiply-adds on elements that exist: padding and dilation are free.

  TPU compilers write batched products as convolutions with dilated input.
  """
  labels = re.search(r"dim_labels=(\w+)_(\w+)->(\w+)", op.text)
  assert labels is not None, op.text[:200]
  data, kernel = (inside[name].results[0].shape for name in op.operands[:2])
  out = op.results[0].shape
  window = re.search(r"window=\{([^}]*)\}", op.text)
  fields = re.findall(r"(\w+)=(\S+)", window[1] if window else "")
  # Of a padding, its lower part.
  given = {
    name: [int(n.partition("_")[0]) for n in sizes.split("x")]
    for name, sizes in fields
  }
  total = 2.0 * out[labels[3].index("b")] * out[labels[3].index("f")]
  total *= kernel[labels[2].index("i")]
  for i, axis in enumerate(sorted(c for c in labels[1] if c.isdigit())):
    size, stride, pad, dilation, spread = (
      given[name][i] if name in given else int(name != "pad")
      for name in ("size", "stride", "pad", "lhs_dilate", "rhs_dilate")
    )
    # Pairs of output and tap whose input element exists, along this axis.
    outputs = np.arange(out[labels[3].index(axis)])[:, None]
    index = outputs * stride + np.arange(size) * spread - pad
    last = (data[labels[1].index(axis)] - 1) * dilation
    exists = (index >= 0) & (index <= last) & (index % dilation == 0)
    total *= np.count_nonzero(exists)
  return total
