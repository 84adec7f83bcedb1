"""The configurations that ship with the package.

In a clone scenetok_jax/configs is a link to the folder of the same name at the
top; an installed package holds the files.
"""

from pathlib import Path

CONFIGS = Path(__file__).parents[1] / "configs"


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
