"""Rename tables derived from the paths of a network's own parameters.

For networks of which every parameter is one tensor of the published file, in
another layout and under another name.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from scenetok_jax.convert.engine import Buffers, Rule, Table, flatten

Rename = tuple[str, str | Callable[[re.Match], str]]
# einops patterns, torch's layout -> ours, by our number of axes or by a
# regular expression of paths; the first that matches.
Layouts = Mapping[int | str, str]

_LAYOUTS: Layouts = {
  1: "d -> d",
  2: "o i -> i o",
  4: "o i p q -> p q i o",
  5: "o i t p q -> t p q i o",
}
_WORDS = {
  "kernel": "weight",
  "scale": "weight",
  "mean": "running_mean",
  "var": "running_var",
}


def derived_table(
  shapes: Any,
  renames: Iterable[Rename],
  layouts: Layouts | None = None,
  buffers: Buffers | None = None,
) -> Table:
  """The rename table of a network with these (abstract) parameters.

  Args:
    shapes: the parameters; "level0/conv1/kernel" is a path.
    renames: regular expressions and what takes their place, applied to a path
      one after another; then "/" becomes "." and the last word torch's.
    layouts: where they are not those of linear layers and convolutions.
    buffers: of the table.

  Raises:
    ValueError: two paths become one name.
  """
  renames = tuple(renames)
  known = {**(layouts or {}), **_LAYOUTS, **(layouts or {})}
  rules: dict[str, Rule] = {}
  for path, leaf in flatten(shapes).items():
    name = path
    for pattern, new in renames:
      name = re.sub(pattern, new, name)
    *parents, last = name.split("/")
    name = ".".join((*parents, _WORDS.get(last, last)))
    if name in rules:
      raise ValueError(f"{path} and {rules[name].flax[0]} are both {name}")
    layout = next(
      layout
      for key, layout in known.items()
      if key == leaf.ndim or (isinstance(key, str) and re.search(key, path))
    )
    # Axes that torch keeps as one have lengths that only our shape tells.
    axes = zip(layout.split("->")[1].split(), leaf.shape, strict=True)
    sizes = tuple(axes) if "(" in layout else ()
    rules[name] = Rule(name, (path,), layout, sizes)
  return Table(tuple(rules.values()), buffers=buffers or {})
