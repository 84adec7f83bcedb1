"""Imports point one way, and heavy dependencies stay in their place."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[1]
# Rooms that share a step do not import each other.
_STEPS = (
  ("types",),
  ("reading",),
  ("io", "flags"),
  ("disk",),
  ("streams",),
  ("outputs",),
  ("console",),
  ("media",),
  ("geometry",),
  ("parallel",),
  ("ops",),
  ("nn",),
  ("flow",),
  ("convert",),
  ("codecs",),
  ("tokenizer", "decoder", "generator"),
  ("model",),
  ("sampling",),
  ("metrics",),
  ("workdir",),
  ("data_pipelines",),
  ("inference",),
  ("evaluation",),
  ("train",),
  ("aot",),
  ("parity", "analyses", "viewer", "sharing"),
  ("cli",),
)
_STEP = {room: n for n, rooms in enumerate(_STEPS) for room in rooms}
_LINEN = {"nn", "codecs", "tokenizer", "decoder", "generator", "metrics"}
# Data workers load the readers: they see arrays and files, never a network.
_READERS = (
  "storage",
  "sources",
  "views",
  "loading",
  "latents",
  "textures",
  "rooms",
  "furnished",
)
_JOBS = {
  "data_pipelines/storage/builders.py",
  "data_pipelines/storage/builders_beam.py",
  "data_pipelines/latents/builders.py",
  "data_pipelines/latents/encoder.py",
  "data_pipelines/latents/identity.py",
}
# Packages behind one door: only their own files and tests look inside.
_DOORS = ("data_pipelines.rooms", "data_pipelines.furnished")
_SEEN_BY_READERS = {
  *("types", "reading", "io", "disk", "outputs", "geometry", "data_pipelines")
}

# Files are read by reading/json_text.py; these read no file: what processes of
# a run tell each other, and values that become as JSON has them.
_JSON = {
  "scenetok_jax/reading/json_text.py",
  *("scenetok_jax/train/hang.py", "scenetok_jax/train/heldout_scores.py"),
  *("data_pipelines/latents/identity.py", "data_pipelines/storage/recipes.py"),
}


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


def _room(name: str) -> str:
  """Room of a full module name; "" outside the project."""
  parts = name.split(".")
  if parts[0] == "scenetok_jax":
    return parts[1] if len(parts) > 1 and parts[1] in _STEP else ""
  return parts[0] if parts[0] == "data_pipelines" else ""


def _is_reader(path: Path) -> bool:
  parts = path.relative_to(_ROOT).parts
  return (
    parts[0] == "data_pipelines"
    and parts[1] in _READERS
    and str(path.relative_to(_ROOT)) not in _JOBS
  )


def _behind_a_door(path: Path, name: str) -> bool:
  """Whether a file imports from inside a package that is not its own."""
  own = ".".join(path.relative_to(_ROOT).parent.parts).removeprefix("tests.")
  for door in _DOORS:
    if name.startswith(f"{door}.") and own != door:
      first, *deeper = name.removeprefix(f"{door}.").split(".")
      inside = _ROOT / door.replace(".", "/") / f"{first}.py"
      return bool(deeper) or inside.exists()
  return False


def _problems(path: Path) -> list[str]:
  parts = path.relative_to(_ROOT).with_suffix("").parts
  own = _room(".".join(parts))
  found = []
  for name in _imports(path):
    other = _room(name)
    if own and other and other != own and _STEP[other] >= _STEP[own]:
      found.append(f"{own} may not import {name}")
    if own == "convert" and other in ("nn", "flow"):
      found.append(f"convert knows no network: {name}")
    if other == "cli" and own != "cli":
      found.append(f"nothing imports cli: {name}")
    if _is_reader(path) and other and other not in _SEEN_BY_READERS:
      found.append(f"readers may not import {name}")
    if _behind_a_door(path, name):
      found.append(f"{name} is behind a door")
    if name.startswith("flax.linen") and own not in _LINEN:
      found.append(f"{own or parts[0]} may not use Linen")
    torch = own and name.split(".")[0] == "torch"
    # The package that met3r.py calls takes torch's tensors.
    if torch and parts[1:] not in (("convert", "reader"), ("metrics", "met3r")):
      found.append("torch belongs in scenetok_jax/convert/reader.py")
  return found


@pytest.mark.parametrize(
  "path",
  [
    *_modules("scenetok_jax"),
    *_modules("data_pipelines"),
    *_modules("configs"),
    *_modules("benchmarks"),
  ],
  ids=lambda path: str(path.relative_to(_ROOT)),
)
def test_imports_point_one_way(path):
  assert _problems(path) == []


@pytest.mark.parametrize(
  "path", _modules("tests"), ids=lambda path: str(path.relative_to(_ROOT))
)
def test_tests_look_only_behind_their_own_doors(path):
  assert [n for n in _imports(path) if _behind_a_door(path, n)] == []


def test_every_folder_of_the_package_is_a_layer():
  folders = {
    path.stem
    for path in (_ROOT / "scenetok_jax").iterdir()
    if path.is_dir() or path.suffix == ".py"
  }
  folders -= {"__init__", "__pycache__", "configs", "checkpoints"}  # links
  assert folders <= set(_STEP)


@pytest.mark.parametrize(
  "file, line, problem",
  [
    ("scenetok_jax/nn/x.py", "from scenetok_jax import codecs", "nn may not"),
    ("scenetok_jax/nn/x.py", "from ..train import loop", "nn may not"),
    ("scenetok_jax/flow/x.py", "from flax import linen", "may not use Linen"),
    ("scenetok_jax/convert/x.py", "import scenetok_jax.nn.dit", "no network"),
    ("scenetok_jax/nn/x.py", "import torch.nn", "torch belongs"),
    ("scenetok_jax/decoder/x.py", "import scenetok_jax.tokenizer", "may not"),
    ("scenetok_jax/workdir/x.py", "import data_pipelines", "workdir may not"),
    ("data_pipelines/loading/x.py", "import scenetok_jax.media", "readers"),
    ("data_pipelines/storage/x.py", "import scenetok_jax.model", "readers"),
    ("benchmarks/x.py", "from data_pipelines.rooms.light import f", "a door"),
    (
      "data_pipelines/furnished/x.py",
      "from data_pipelines.rooms.scene import Paint",
      "a door",
    ),
    ("benchmarks/x.py", "from scenetok_jax.cli import main", "imports cli"),
  ],
)
def test_wrong_arrows_are_found(tmp_path, monkeypatch, file, line, problem):
  path = tmp_path / file
  path.parent.mkdir(parents=True)
  path.write_text(line)
  monkeypatch.setitem(_problems.__globals__, "_ROOT", tmp_path)
  assert any(problem in found for found in _problems(path))


def test_two_functions_print():
  """They escape: what is printed may name what a file holds."""
  printing = {
    path.relative_to(_ROOT).as_posix()
    for package in ("scenetok_jax", "data_pipelines")
    for path in _modules(package)
    for node in ast.walk(ast.parse(path.read_text(), str(path)))
    if (isinstance(node, ast.Name) and node.id == "print")
    or (
      isinstance(node, ast.Attribute)
      and ast.unparse(node) in ("sys.stdout.write", "sys.stderr.write")
    )
  }
  # Streams that cannot be written are told without the package.
  assert printing == {
    "scenetok_jax/reading/shown.py",
    "scenetok_jax/streams.py",
  }


def test_one_module_reads_json():
  readers = {
    path.relative_to(_ROOT).as_posix()
    for package in ("scenetok_jax", "data_pipelines")
    for path in _modules(package)
    for node in ast.walk(ast.parse(path.read_text(), str(path)))
    if isinstance(node, ast.Attribute)
    if ast.unparse(node) in ("json.load", "json.loads", "json.JSONDecoder")
  }
  assert readers == _JSON


def test_plots_leave_the_callers_matplotlib_alone():
  # pyplot has one state for all, and in a notebook it shows nothing after Agg.
  folders = ("scenetok_jax", "data_pipelines")
  paths = [p for folder in folders for p in (_ROOT / folder).rglob("*.py")]
  wrong = [
    str(path.relative_to(_ROOT))
    for path in paths
    if any(name.startswith("matplotlib.pyplot") for name in _imports(path))
    or "matplotlib.use(" in path.read_text("utf-8")
  ]
  assert wrong == [] and paths
