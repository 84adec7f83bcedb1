"""Imports point one way, and heavy dependencies stay in their place."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[1]
_LAYERS = [
  *("types", "media", "geometry", "parallel", "ops", "nn", "flow", "codecs"),
  *("convert", "tokenizer", "decoder", "generator", "sampling", "metrics"),
  *("evaluation", "train", "viewer", "cli"),
]
_LINEN = {"nn", "codecs", "tokenizer", "decoder", "generator", "metrics"}
# Jobs write data and may see everything; the other files are read by workers.
_JOBS = {"builders", "latents"}


def _modules(package: str) -> list[Path]:
  return sorted((_ROOT / package).rglob("*.py"))


def _imports(path: Path) -> Iterator[str]:
  """Full names of the modules and objects that a file imports."""
  folder = path.relative_to(_ROOT).parent.parts
  for node in ast.walk(ast.parse(path.read_text(), str(path))):
    if isinstance(node, ast.Import):
      yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
      parent = folder[: len(folder) - node.level + 1] if node.level else ()
      module = ".".join((*parent, *filter(None, [node.module])))
      yield from (f"{module}.{alias.name}" for alias in node.names)


def _layer(name: str) -> str:
  """Layer of a full name inside the package; "" for the package itself."""
  part = name.split(".")[1]
  return part if part in _LAYERS else ""


def _inside(name: str, package: str) -> bool:
  return name.startswith(f"{package}.")


def _problems(path: Path) -> list[str]:
  parts = path.relative_to(_ROOT).with_suffix("").parts
  inside = parts[0] == "scenetok_jax"
  own = parts[1] if inside and parts[1] in _LAYERS else ""
  reader = parts[0] == "data_pipelines" and parts[-1] not in _JOBS
  found = []
  for name in _imports(path):
    other = _layer(name) if _inside(name, "scenetok_jax") else ""
    if own and other and _LAYERS.index(other) > _LAYERS.index(own):
      found.append(f"{own} may not import {name}")
    if inside and own != "cli" and _inside(name, "data_pipelines"):
      found.append(f"{own} may not import {name}")
    if reader and other not in ("", "types", "geometry"):
      found.append(f"readers may not import {name}")
    if name.startswith("flax.linen") and own not in _LINEN:
      found.append(f"{own or parts[0]} may not use Linen")
    if name.split(".")[0] == "torch" and parts[1:] != ("convert", "reader"):
      found.append("torch belongs in scenetok_jax/convert/reader.py")
  return found


@pytest.mark.parametrize(
  "path",
  [
    *_modules("scenetok_jax"),
    *_modules("data_pipelines"),
    *_modules("configs"),
  ],
  ids=lambda path: str(path.relative_to(_ROOT)),
)
def test_imports_point_one_way(path):
  assert _problems(path) == []


def test_every_folder_of_the_package_is_a_layer():
  folders = {
    path.stem
    for path in (_ROOT / "scenetok_jax").iterdir()
    if path.is_dir() or path.suffix == ".py"
  }
  folders -= {"__init__", "__pycache__"}
  assert folders <= set(_LAYERS)


@pytest.mark.parametrize(
  "file, line, problem",
  [
    ("scenetok_jax/nn/x.py", "from scenetok_jax import codecs", "nn may not"),
    ("scenetok_jax/nn/x.py", "from ..train import loop", "nn may not"),
    ("scenetok_jax/flow/x.py", "from flax import linen", "may not use Linen"),
    ("scenetok_jax/nn/x.py", "import torch.nn", "torch belongs"),
    ("data_pipelines/x.py", "import scenetok_jax.media", "readers may not"),
    ("scenetok_jax/train/x.py", "from data_pipelines import a", "train may"),
  ],
)
def test_wrong_arrows_are_found(tmp_path, monkeypatch, file, line, problem):
  path = tmp_path / file
  path.parent.mkdir(parents=True)
  path.write_text(line)
  monkeypatch.setitem(_problems.__globals__, "_ROOT", tmp_path)
  assert any(problem in found for found in _problems(path))
