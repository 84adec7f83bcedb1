"""Every verb on damaged inputs: status 2, one line, and nothing lost.

`python -m tests.sweeps.inputs_test` prints the table of docs/data_limits.md.
"""

import contextlib
import io
import itertools
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from scenetok_jax.cli import main as scenetok
from tests.data_pipelines import clips
from tests.fuzz import samples
from tests.sweeps import verbs
from tests.sweeps.verbs import VERBS, Verb

_SPLIT = ("prepared.json", "scenes.jsonl", "cameras.f32", "*_record*")
_DATA = tuple(f"data/test/{name}" for name in _SPLIT)
_STAGE1 = ("stage1/config.json", "stage1/params.safetensors")
# More commands than those that only write.
MORE = {
  f"prepare {name}": Verb(
    f"prepare --dataset={dataset} --source=IN/{source} --size=16 --workers=0"
    " --out=OUT"
  )
  for name, dataset, source in (
    ("dl3dv", "dl3dv", "dl3dv"),
    ("re10k", "re10k", "chunk"),
    ("acid", "acid", "texts"),
    ("colmap", "capture", "colmap"),
    ("poses", "capture", "poses_json"),
  )
} | {
  "render path": Verb(
    "render --workdir=IN/stage1 --data=IN/data --split=test --scene=0"
    " --trajectory=IN/path.json --steps=1 --out=OUT"
  )
}
# What each command reads, below IN.
READS: Mapping[str, tuple[str, ...]] = {
  "prepare": ("capture/transforms.json", "capture/images/frame_1.png"),
  "prepare dl3dv": ("dl3dv/scene/transforms.json",),
  "prepare re10k": ("chunk/train/index.json", "chunk/train/a.torch"),
  "prepare acid": ("texts/walk.txt",),
  "prepare colmap": tuple(
    f"colmap/sparse/0/{name}.bin" for name in ("cameras", "images")
  ),
  "prepare poses": ("poses_json/poses.json",),
  "inspect": _DATA,
  "make-index": tuple(f"train/train/{name}" for name in _SPLIT[:3]),
  "tables": ("result.json",),
  "goodput": ("run/lives.jsonl",),
  "runs": ("run/metrics.jsonl", "run/config.json"),
  "compact": _STAGE1,
  "average": (
    "averaged/config.json",
    "averaged/checkpoints/2/state/_METADATA",
    "averaged/checkpoints/2/state/d/*",
  ),
  "push": _STAGE1,
  "export": (*_STAGE1, *_DATA),
  "convert": ("model.safetensors",),
  "convert-export": _STAGE1,
  "codec-check": ("photo.png",),
  "pose-score": (*_DATA, "poses/s0.json"),
  "latents": _DATA,
  "encode": (*_STAGE1, *_DATA),
  "render": (*_STAGE1, *_DATA),
  "render path": ("path.json",),
  "generate": ("stage2/config.json", "stage2/params.safetensors", "photo.png"),
  "evaluate": (*_STAGE1, *_DATA),
}


def _flipped(data: bytes) -> bytes:
  """One bit, in the middle."""
  place = len(data) // 2
  return data[:place] + bytes([data[place] ^ 0x80]) + data[place + 1 :]


DAMAGES: Mapping[str, Callable[[bytes], bytes | None]] = {
  "missing": lambda data: None,
  "empty": lambda data: b"",
  "truncated": lambda data: data[: len(data) // 2],
  "flipped": _flipped,
  "foreign": lambda data: b"#!/bin/sh\nexit 0\n" * 99,
}
# What is told in a report, or is as good as what it was: without a checksum,
# another number, a row fewer, one of two scenes that is left out.
_HARMLESS = {
  "flipped": (
    *("cameras.f32", "model.safetensors", "cameras.bin", "images.bin"),
    *("a.torch", "metrics.jsonl"),
  ),
  "truncated": ("walk.txt", "lives.jsonl", "metrics.jsonl"),
}
_CASES = [
  (name, file, damage)
  for (name, files), damage in itertools.product(READS.items(), DAMAGES)
  for file in files
]


class Outcome(NamedTuple):
  """status: of the command. lines: on stderr but for progress."""

  status: int
  lines: list[str]


def fill(root: Path) -> None:
  """All that the commands read."""
  verbs.fill(root)
  for make in (samples.dl3dv, samples.chunk, samples.poses_json):
    (root / make.__name__).mkdir()
    make(root / make.__name__)
  (root / "texts").mkdir()
  samples.camera_texts(root / "texts")
  clips.write_capture(root / "colmap")
  (root / "colmap/transforms.json").unlink()
  clips.write_colmap(root / "colmap/sparse/0", binary=True)
  lens = [[0.9, 0, 0.5], [0, 0.9, 0.5], [0, 0, 1]]
  path = {"extrinsics": clips.poses(6).tolist(), "intrinsics": lens}
  (root / "path.json").write_text(json.dumps(path))


@contextlib.contextmanager
def damaged(root: Path, pattern: str, damage: str) -> Iterator[Path]:
  """A file of the inputs while it is damaged; AssertionError if all changed."""
  file = min(root.glob(pattern))
  data = file.read_bytes()
  found = DAMAGES[damage](data)
  if found is None:
    file.unlink()
  else:
    file.write_bytes(found)
  before = verbs.tree(root)
  try:
    yield file
    assert verbs.tree(root) == before
  finally:
    file.write_bytes(data)


def run(name: str, root: Path, out: Path) -> Outcome:
  """A command in this process."""
  verb = MORE.get(name) or VERBS[name]
  told, said = io.StringIO(), io.StringIO()
  with contextlib.redirect_stderr(told), contextlib.redirect_stdout(said):
    status = scenetok.main(verb.words(root, out))
  lines = re.split(r"[\r\n]+", told.getvalue())
  progress = re.compile(r"[A-Za-z0-9/_. -]+: +[0-9]+%|$")
  return Outcome(status, [x for x in lines if not progress.match(x)])


@contextlib.contextmanager
def _read_only(root: Path) -> Iterator[None]:
  """All below a folder; AssertionError where root wrote there all the same."""
  paths, before = [root, *root.rglob("*")], verbs.tree(root)
  for path in paths:
    path.chmod(0o555 if path.is_dir() else 0o444)
  try:
    yield
  finally:
    for path in paths:
      path.chmod(0o755 if path.is_dir() else 0o644)
  assert verbs.tree(root) == before


@pytest.fixture(scope="module")
def inputs():
  with _filled() as root:
    yield root


@contextlib.contextmanager
def _filled() -> Iterator[Path]:
  """The inputs, in a folder of their own."""
  with tempfile.TemporaryDirectory() as folder:
    root = Path(folder) / "in"
    root.mkdir()
    fill(root)
    yield root


def _clear(root: Path) -> None:
  for path in root.parent.glob("out*"):
    shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "file", "damage"), _CASES)
def test_damage_is_one_line(inputs, tmp_path, name, file, damage):
  with damaged(inputs, file, damage):
    status, lines = run(name, inputs, tmp_path / "out")
  harmless = file.endswith(_HARMLESS.get(damage, ()))
  assert status == 2 or (status == 0 and harmless)
  if status == 2:
    verb = name.split()[0].removesuffix("-export")
    assert lines[-1].startswith(f"scenetok {verb}: error: ")
    assert len(lines) == 1 and str(inputs) in lines[0]
  assert not list(tmp_path.rglob("*tmp*"))


@pytest.mark.slow
@pytest.mark.parametrize("name", READS)
def test_what_cannot_be_written_can_be_read(inputs, name):
  with _read_only(inputs):
    found = run(name, inputs, inputs.parent / "out")
  _clear(inputs)
  assert found.status == 0


def _table(names: list[str]) -> Iterator[str]:
  """Rows of Markdown: how each command ends, by file and damage."""
  with _filled() as root:
    out = root.parent / "out"
    yield f"| command | file | {' | '.join(DAMAGES)} | read-only |"
    yield "|---" * (len(DAMAGES) + 3) + "|"
    for name in names or READS:
      with _read_only(root):
        whole = run(name, root, out).status
      _clear(root)
      for file in READS[name]:
        cells = []
        for damage in DAMAGES:
          with damaged(root, file, damage):
            status, lines = run(name, root, out)
          good = status == 0 or len(lines) == 1
          cells.append(str(status) if good else f"{status}: {len(lines)} lines")
          _clear(root)
        yield f"| {name} | `{file}` | {' | '.join(cells)} | {whole} |"


if __name__ == "__main__":
  for row in _table(sys.argv[1:]):
    print(row, flush=True)
