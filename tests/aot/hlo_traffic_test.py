"""An operation moves what it reads of its operands and writes of its results.

programs/: texts as TPU compilers write them, of stacks of 4 layers of 1 KiB.
"""

from pathlib import Path

from scenetok_jax.aot.hlo import parse
from scenetok_jax.aot.hlo_cost import cost

PROGRAMS = Path(__file__).parent / "programs"
LAYER = 1024  # bytes of f32[16,16]
INDEX = 4


def moved(name: str) -> float:
  """Bytes that a program moves."""
  return cost(parse((PROGRAMS / f"{name}.hlo").read_text())).bytes


def test_a_slice_wrapped_in_a_fusion_of_a_fusion_is_read_alone():
  assert moved("nested_slice") == LAYER + INDEX


def test_an_array_that_a_fusion_hands_on_is_read_whole():
  assert moved("handed_on") == 2 * 4 * LAYER


def test_a_slice_updated_in_one_of_two_results_is_written_alone():
  # It reads the new slice; writes the sum, and the sum into the stack.
  assert moved("updated_slice") == 3 * LAYER + INDEX


def test_a_kernel_whose_attributes_take_several_lines_is_charged_once():
  # Two operands, and the result that is not in the core's own memory.
  assert moved("kernel") == 3 * LAYER
