"""The report of a compiled program as text, by the template beside this."""

from pathlib import Path
from typing import Any

import jinja2

from scenetok_jax.aot.chips import GIB


def lines(result: dict[str, Any]) -> list[str]:
  """The report of compile_for_slice, with the name of its config."""
  text = Path(__file__).with_suffix(".txt").read_text()
  page = jinja2.Template(text, trim_blocks=True)
  return page.render(result, mesh_text=mesh_text, gib=gib).splitlines()


def mesh_text(mesh: dict[str, int]) -> str:
  """Axis sizes above 1, in words."""
  sizes = [f"{axis}={n}" for axis, n in mesh.items() if n > 1]
  return "mesh " + (", ".join(sizes) or "of one device")


def gib(count: float) -> str:
  """Bytes in MiB or GiB."""
  if count < 0.01 * GIB:
    return f"{count / (1 << 20):.2f} MiB"
  return f"{count / GIB:.2f} GiB"
