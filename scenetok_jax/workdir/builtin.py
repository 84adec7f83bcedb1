"""The configurations and the small checkpoint that ship with the package.

In a clone scenetok_jax/configs and scenetok_jax/checkpoints are links to the
folders of the same names at the top; an installed package holds the files.
"""

import os
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
CONFIGS = _PACKAGE / "configs"
CHECKPOINTS = _PACKAGE / "checkpoints"


def config_names() -> list[str]:
  """Names of the built-in configurations, such as "rooms"."""
  names = {file.stem for file in CONFIGS.glob("*.py")}
  return sorted(names - {"__init__", "common"})


def config_file(name: str) -> Path:
  """A configuration's file: a path as it is, or a built-in name's."""
  path = Path(name)
  if name in config_names() and not path.is_file():
    return CONFIGS / f"{name}.py"
  return path


def workdir(name: str | os.PathLike[str]) -> str:
  """A run's folder as it is, or the shipped checkpoint of that name.

  "rooms" and "checkpoints/rooms" both name the shipped one where no such
  folder exists.
  """
  name = os.fspath(name)
  shipped = CHECKPOINTS / Path(name).name
  known = name in (shipped.name, f"checkpoints/{shipped.name}")
  if known and shipped.is_dir() and not Path(name).exists():
    return str(shipped.resolve())
  return name
