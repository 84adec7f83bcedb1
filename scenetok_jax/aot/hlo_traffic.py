"""Bytes between a device's HBM and its cores for one operation."""

import math

from scenetok_jax.aot.hlo import Buffer, Computation, Module, Op, root_of

# They move nothing themselves, or the operation they end has been counted.
_FREE = {
  "parameter", "constant", "tuple", "get-tuple-element", "bitcast", "iota",
  "partition-id", "replica-id", "after-all", "copy-done", "async-done",
  "async-update", "while", "call", "conditional", "async-start", "opt-barrier",
}  # fmt: skip


def moved(module: Module, op: Op, inside: Computation) -> int:
  """Bytes read from and written to HBM; inside: the computation of op."""
  if op.kind in _FREE or op.kind.endswith("-done"):
    return 0
  if op.kind == "custom-call" and not (op.is_kernel or op.is_library):
    return 0
  if op.kind == "send":  # its results hold its operand
    return _hbm(inside[op.operands[0]].results)
  if op.kind == "dynamic-slice":
    return 2 * _hbm(op.results)
  if op.kind == "dynamic-update-slice":
    return 2 * _hbm(inside[op.operands[1]].results)
  if op.kind.endswith("-start"):
    # The results of a start hold its operands too.
    return _hbm(op.results)
  read = [_hbm(inside[name].results) for name in op.operands]
  if op.is_library:  # beside its results it has room to work, of bytes
    return sum(read) + _hbm(
      tuple(x for x in op.results if x.dtype != "s8" and x.dtype != "u8")
    )
  if op.kind != "fusion":
    return _hbm(op.results) + sum(read)
  body = fused(module, op)
  for place, size in enumerate(read):
    part, handed_on = _read(module, body, place)
    read[place] = size if handed_on else int(min(size, part))
  written = [
    min(size, buffer.bytes) if buffer.hbm else 0
    for size, buffer in zip(
      _written(module, body, root_of(body)), op.results, strict=True
    )
  ]
  return sum(written) + sum(read)


def fused(module: Module, op: Op) -> Computation:
  """What a fusion computes."""
  return module.computations[op.called["calls"][0]]


def _hbm(results: tuple[Buffer, ...]) -> int:
  return sum(buffer.bytes for buffer in results if buffer.hbm)


def _read(module: Module, body: Computation, place: int) -> tuple[float, bool]:
  """Bytes that a fusion reads of an operand, and whether it hands it on.

  Infinite where more than slices of it are read. Compilers wrap a slice and
  what follows it in a fusion of its own: fusions inside count as what they
  read.
  """
  names, total = {_parameter(body, place)}, 0.0
  for op in body.values():  # an operation stands after its operands
    for index, name in enumerate(op.operands):
      if name in names:
        part, handed_on = _read_by(module, op, index)
        total += part
        names |= {op.name} if handed_on else set()
  return total, root_of(body).name in names


def _read_by(module: Module, op: Op, place: int) -> tuple[float, bool]:
  """The same of one operation of a fusion."""
  if op.kind == "fusion":
    return _read(module, fused(module, op), place)
  if op.kind in ("bitcast", "tuple", "get-tuple-element"):
    return 0, True
  if place == 0 and op.kind in ("dynamic-slice", "slice"):
    return sum(buffer.bytes for buffer in op.results), False
  if place == 0 and op.kind == "dynamic-update-slice":
    return 0, False  # only overwritten, in part
  return math.inf, False


def _parameter(body: Computation, number: int) -> str:
  return next(
    op.name
    for op in body.values()
    if op.kind == "parameter" and int(op.literal) == number
  )


def _written(module: Module, body: Computation, op: Op) -> list[int]:
  """Bytes that each result of a fusion writes; op: where they come from.

  A slice that is updated in place is written, not the array around it.
  """
  while op.kind == "bitcast":
    op = body[op.operands[0]]
  if op.kind == "tuple":
    return [
      size
      for name in op.operands
      for size in _written(module, body, body[name])
    ]
  if op.kind == "dynamic-update-slice":
    return [sum(buffer.bytes for buffer in body[op.operands[1]].results)]
  if op.kind == "fusion":
    inner = fused(module, op)
    return _written(module, inner, root_of(inner))
  if op.kind == "get-tuple-element":
    return [_written(module, body, body[op.operands[0]])[op.index]]
  return [buffer.bytes for buffer in op.results]
