"""Reads the text of a compiled XLA program into computations of operations."""

import dataclasses
import functools
import math
import re
from collections.abc import Iterator

_BITS = {"pred": 8, "token": 0, "c64": 64, "c128": 128}
_BUFFER = re.compile(r"(\w+)\[([\d,]*)\](?:\{([^}]*)\})?")
_HEADER = re.compile(r"^(ENTRY )?%?([\w.\-~]+) \(.*\{$")
_LINE = re.compile(r"^  (?:ROOT )?%?([\w.\-~]+) = (.*)$")
_CALLED = re.compile(
  r"(calls|body|condition|to_apply|true_computation|false_computation"
  r"|branch_computations)=(\{[^}]*\}|%[\w.\-~]+)"
)


@dataclasses.dataclass(frozen=True)
class Buffer:
  """One array: dtype, shape, and whether it lies in HBM (not in VMEM)."""

  dtype: str
  shape: tuple[int, ...]
  hbm: bool = True

  @functools.cached_property
  def bytes(self) -> int:
    digits = re.match(r"[a-z]+(\d+)", self.dtype)
    bits = _BITS.get(self.dtype) or (int(digits[1]) if digits else 0)
    return math.prod(self.shape) * bits // 8


@dataclasses.dataclass(frozen=True)
class Op:
  """One instruction: its results, operand names and the text after them.

  index: the number of a parameter. called: attribute name -> computations.
  """

  name: str
  kind: str
  results: tuple[Buffer, ...]
  operands: tuple[str, ...]
  text: str
  root: bool = False
  literal: str = ""

  @functools.cached_property
  def called(self) -> dict[str, list[str]]:
    return {
      match[1]: re.findall(r"%([\w.\-~]+)", match[2])
      for match in _CALLED.finditer(self.text)
    }


Computation = dict[str, Op]


@dataclasses.dataclass(frozen=True)
class Module:
  """Computations by name; entry names the one that runs."""

  computations: dict[str, Computation]
  entry: str

  def trip_count(self, loop: Op, inside: Computation) -> int | None:
    """Iterations of a while loop as lax.scan makes them; None if unknown.

    The condition compares a counter with a constant; the counter starts at
    the constant found in the loop's initial tuple (0 if not found).
    """
    condition = self.computations[loop.called["condition"][0]]
    root = next(op for op in condition.values() if op.root)
    if root.kind == "fusion":
      inner = self.computations[root.called["calls"][0]]
      test = next(op for op in inner.values() if op.root)
      operands = tuple(
        _argument(inner[name], root, condition) for name in test.operands
      )
    else:
      test = root
      operands = tuple(condition[name] for name in root.operands)
    if test.kind != "compare" or "direction=LT" not in test.text:
      return None
    counter, bound = operands
    if bound.kind != "constant":
      return None
    return int(bound.literal) - _start(loop, counter, inside)


def _argument(op: Op, call: Op, outside: Computation) -> Op:
  """The operand of a fusion that a parameter of its computation stands for."""
  if op.kind != "parameter":
    return op
  return outside[call.operands[int(op.literal)]]


def _start(loop: Op, counter: Op, inside: Computation) -> int:
  match = re.search(r"index=(\d+)", counter.text)
  first = inside.get(loop.operands[0])
  if match is None or first is None or first.kind != "tuple":
    return 0
  op = inside.get(first.operands[int(match[1])])
  while op is not None and op.kind in ("copy", "bitcast"):
    op = inside.get(op.operands[0])
  if op is None or op.kind != "constant":
    return 0
  return int(op.literal)


def parse(text: str) -> Module:
  """Reads compiled.as_text()."""
  computations: dict[str, Computation] = {}
  entry, current = "", None
  for line in text.splitlines():
    if header := _HEADER.match(line):
      current = computations.setdefault(header[2], {})
      entry = header[2] if header[1] else entry
    elif line.startswith("}"):
      current = None
    elif current is not None and (match := _LINE.match(line)):
      root = line.startswith("  ROOT ")
      current[match[1]] = _operation(match[1], match[2], root)
  return Module(computations, entry)


def _operation(name: str, text: str, root: bool) -> Op:
  """'f32[2]{0} add(%a, %b), attributes' -> Op."""
  end = _closing(text, 0) + 1 if text.startswith("(") else text.index(" ")
  kind, _, rest = text[end:].strip().partition("(")
  close = _closing("(" + rest, 0) - 1
  inner = rest[:close]
  return Op(
    name,
    kind,
    tuple(buffers(text[:end])),
    tuple(re.findall(r"%([\w.\-~]+)", inner)),
    rest[close + 1 :],
    root,
    inner if kind in ("parameter", "constant") else "",
  )


def _closing(text: str, start: int) -> int:
  depth = 0
  for i in range(start, len(text)):
    depth += {"(": 1, ")": -1}.get(text[i], 0)
    if depth == 0:
      return i
  raise ValueError(f"unbalanced parentheses: {text[:80]}")


def buffers(text: str) -> Iterator[Buffer]:
  """Arrays of a type such as '(f32[2,3]{1,0:S(1)}, s32[])'."""
  for dtype, shape, layout in _BUFFER.findall(text):
    sizes = tuple(int(n) for n in shape.split(",") if n)
    yield Buffer(dtype, sizes, not re.search(r"S\([1-9]", layout))
