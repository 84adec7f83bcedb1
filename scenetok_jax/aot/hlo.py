"""Reads the text of a compiled XLA program into computations of operations."""

import dataclasses
import functools
import math
import re
from collections.abc import Iterator

_BITS = {"pred": 8, "token": 0, "c64": 64, "c128": 128}
_BUFFER = re.compile(r"(\w+)\[([\d,]*)\](?:\{([^}]*)\})?")
_HEADER = re.compile(r"^(ENTRY )?%?([\w.\-~]+) \(.*\{$")
# What an instruction, a computation and its end begin with.
_FIRST = re.compile(r"(  (ROOT )?%?[\w.\-~]+ = |(ENTRY )?%?[\w.\-~]+ \(|\}$)")
# ROOT? name = type kind(operands), attributes
_LINE = re.compile(
  r"^  (ROOT )?%?([\w.\-~]+) = (\(.*?\)|\S+) ([\w\-]+)\((.*?)\)((?:, .*)?)$"
)
_NAME = re.compile(r"%([\w.\-~]+)")
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

  literal: the number of a parameter, the value of a constant.
  """

  name: str
  kind: str
  results: tuple[Buffer, ...]
  operands: tuple[str, ...]
  text: str
  root: bool
  literal: str

  @property
  def index(self) -> int:
    """Of a get-tuple-element: which element."""
    match = re.search(r"\bindex=(\d+)", self.text)
    assert match is not None, self.text[:200]
    return int(match[1])

  @property
  def is_kernel(self) -> bool:
    """Whether it calls a kernel of Pallas."""
    return self.target == "tpu_custom_call"

  @functools.cached_property
  def target(self) -> str:
    """What a custom call calls; "" for any other operation."""
    match = re.search(r'custom_call_target="([^"]*)"', self.text)
    return match[1] if match else ""

  @property
  def is_library(self) -> bool:
    """Whether it calls cuBLAS or cuDNN."""
    return self.target.startswith(("__cublas$", "__cudnn$"))

  @functools.cached_property
  def called(self) -> dict[str, list[str]]:
    """Attribute name -> the computations that it names."""
    matches = _CALLED.finditer(self.text)
    return {match[1]: _NAME.findall(match[2]) for match in matches}


Computation = dict[str, Op]


@dataclasses.dataclass(frozen=True)
class Module:
  """Computations by name; entry names the one that runs."""

  computations: dict[str, Computation]
  entry: str

  def trip_count(self, loop: Op, inside: Computation) -> int | None:
    """Iterations of a while loop as lax.scan makes them; None if unknown.

    Compilers for GPUs say it. Else the condition compares a counter with a
    constant; the counter starts at the constant found in the loop's initial
    tuple (0 if not found).
    """
    if said := re.search(r'"known_trip_count":\{"n":"(\d+)"', loop.text):
      return int(said[1])
    condition = self.computations[loop.called["condition"][0]]
    test = root_of(condition)
    operands = [condition[name] for name in test.operands]
    if test.kind == "fusion":
      inner = self.computations[test.called["calls"][0]]
      test = root_of(inner)
      # A parameter stands for an operand of the fusion.
      operands = [
        operands[int(op.literal)] if op.kind == "parameter" else op
        for op in (inner[name] for name in test.operands)
      ]
    if test.kind != "compare" or "direction=LT" not in test.text:
      return None
    counter, bound = operands
    if bound.kind != "constant":
      return None
    return int(bound.literal) - _start(loop, counter, inside)


def root_of(computation: Computation) -> Op:
  """The operation whose result is the computation's."""
  return next(op for op in computation.values() if op.root)


def _start(loop: Op, counter: Op, inside: Computation) -> int:
  first = inside.get(loop.operands[0])
  if counter.kind != "get-tuple-element" or first is None:
    return 0
  if first.kind != "tuple":
    return 0
  op = inside.get(first.operands[counter.index])
  while op is not None and op.kind in ("copy", "bitcast"):
    op = inside.get(op.operands[0])
  return int(op.literal) if op and op.kind == "constant" else 0


def parse(text: str) -> Module:
  """Reads compiled.as_text()."""
  computations: dict[str, Computation] = {}
  entry, current = "", None
  for line in _instructions(text):
    if header := _HEADER.match(line):
      current = computations.setdefault(header[2], {})
      entry = header[2] if header[1] else entry
    elif line == "}":
      current = None
    elif current is not None and " = " in line:
      if (match := _LINE.match(line)) is None:
        raise ValueError(f"not an instruction of HLO: {line[:80]}")
      root, name, results, kind, inner, rest = match.groups()
      current[name] = Op(
        name,
        kind,
        tuple(_buffers(results)),
        tuple(_NAME.findall(inner)),
        rest,
        root is not None,
        inner if kind in ("parameter", "constant") else "",
      )
  return Module(computations, entry)


def _instructions(text: str) -> Iterator[str]:
  """Lines, those joined that an attribute of a kernel's call breaks."""
  whole = ""
  for line in text.splitlines():
    if _FIRST.match(line):
      yield whole
      whole = line.rstrip()
    else:
      whole += " " + line
  yield whole


def _buffers(text: str) -> Iterator[Buffer]:
  """Arrays of a type such as '(f32[2,3]{1,0:S(1)}, s32[])'."""
  for dtype, shape, layout in _BUFFER.findall(text):
    sizes = tuple(int(n) for n in shape.split(",") if n)
    yield Buffer(dtype, sizes, not re.search(r"S\([1-9]", layout))
