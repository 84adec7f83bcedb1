"""The verbs that write, each with a command that takes a second or two."""

import dataclasses
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from data_pipelines.storage import builders
from data_pipelines.storage.recipes import Holdout
from data_pipelines.storage.records import Dataset
from scenetok_jax.convert.engine import flatten
from scenetok_jax.workdir.checkpoint import restore_params
from tests.cli import workdirs
from tests.data_pipelines import clips
from tests.fuzz import samples

# Of JSON results: how long it took, and where.
_VARIES = {
  "seconds", "total_seconds", "generation_seconds", "seconds_per_scene",
  "generation_seconds_per_scene", "rendering_seconds_per_scene", "arguments",
  "pictures", "out",
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Verb:
  """A command line with IN, see fill(), and OUT.

  again: flags by which a second run into OUT writes something else; "" where
  it would be refused, or change nothing. stays: patterns of what a run that a
  full disk ends leaves in OUT's folder, to go on from. beside: what it writes
  there besides OUT.
  """

  line: str
  again: str = ""
  stays: tuple[str, ...] = ()
  read: Callable[[Path], Any] | None = None

  def words(self, inputs: Path, out: Path, more: str = "") -> list[str]:
    """The command's words."""
    line = f"{self.line} {more}"
    return line.replace("IN", str(inputs)).replace("OUT", str(out)).split()

  @property
  def suffix(self) -> str:
    """Of the file that --out names; "" for a folder."""
    word = next(w for w in self.line.split() if "OUT" in w)
    return word.partition("OUT")[2]


_MODEL = "--workdir=IN/stage1 --data=IN/data --split=test"
VERBS = {
  "prepare": Verb(
    "prepare --dataset=capture --source=IN/capture --size=16 --workers=0"
    " --out=OUT",
    stays=("out/.train.partial-*",),
  ),
  "latents": Verb(
    "latents --config=configs/rooms.py:smoke --data=IN/data --split=test"
    " --mean --out=OUT",
    stays=("out/.test.partial-*",),
  ),
  "render": Verb(
    f"render {_MODEL} --scene=0 --frames=6 --steps=1 --out=OUT",
    again="--seed=1",
    stays=("out/interrupted.safetensors",),
  ),
  "encode": Verb(
    f"encode {_MODEL} --scene=0 --out=OUT.tok", again="--seed=1"
  ),
  "generate": Verb(
    "generate --workdir=IN/stage2 --image=IN/photo.png --fov=60 --frames=6"
    " --steps=1 --render-steps=1 --out=OUT",
    again="--seed=1",
    stays=("out/interrupted.safetensors",),
  ),
  "evaluate": Verb(
    f"evaluate {_MODEL} --protocol=heldout --metrics --scenes=2 --batch=2"
    " --steps=1 --resamples=2 --out=OUT",
    again="--seed=1",
    stays=("out/scenes*",),
  ),
  "convert": Verb(
    "convert --config=configs/rooms.py:smoke --source=IN/model.safetensors"
    " --out=OUT",
    read=lambda out: (_values(restore_params(out)), _text(out, "config.json")),
  ),
  "convert-export": Verb(
    "convert --export --workdir=IN/stage1 --out=OUT.safetensors"
  ),
  "compact": Verb("compact --workdir=IN/stage1 --out=OUT"),
  "average": Verb(
    "average --workdir=IN/averaged --std=0.2 --out=OUT", again="--std=0.15"
  ),
  "export": Verb(
    f"export {_MODEL} --scene=0 --frames=6 --steps=1 --out=OUT",
    again="--seed=1",
  ),
  "push": Verb(
    "push --workdir=IN/stage1 --repo=us/rooms --dry-run --json=OUT.json"
  ),
  "runs": Verb("runs IN/run --out=OUT.html", again="--json=OUT.json"),
  "inspect": Verb("inspect IN/data --scene=0 --out=OUT", again="--epipolar"),
  "pose-score": Verb(
    "pose-score --data=IN/data --scenes=2 --every=2 --poses=IN/poses --out=OUT",
    again="--seed=1",
    stays=("out/scenes*",),
  ),
  "pose-score-frames": Verb(
    "pose-score --data=IN/data --workdir=IN/stage1 --steps=1 --every=1"
    " --render-only --out=OUT",
    again="--seed=1",
    stays=("out/*/*.png",),
  ),
  "stage": Verb(
    "stage --data=IN/data --to=OUT --workers=1", stays=("out.partial*",)
  ),
  "make-index": Verb(
    "make-index --data=IN/train --split=train --context=2 --targets=2"
    " --out=OUT.json",
    again="--seed=1",
  ),
  "codec-check": Verb(
    "codec-check IN/photo.png --codec=block_dct --spatial=16"
    " --channels=64 --out=OUT", again="--size=32"
  ),
  "goodput": Verb("goodput IN/run --json=OUT.json"),
  "tables": Verb("tables IN/result.json --html=OUT.html", again="--all"),
}  # fmt: skip


def fill(root: Path) -> None:
  """What the commands read: random weights, pictures, clips."""
  workdirs.stage1(root / "stage1")
  workdirs.stage2(root / "stage2", root / "stage1")
  kept = Holdout(5)
  plan = clips.plan(scenes=2, frames=10, size=64, holdout=kept, split="test")
  builders.build(root / "data", plan)
  (root / "capture").mkdir()
  samples.capture(root / "capture")
  samples.results(root)
  (root / "run").mkdir()
  samples.workdir(root / "run")
  builders.build(root / "train", clips.plan(scenes=4, frames=16, size=64))
  noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
  Image.fromarray(noise).save(root / "photo.png")
  workdirs.released(root / "model.safetensors")
  workdirs.averaged(root / "averaged")
  (root / "poses").mkdir()
  dataset = Dataset(root / "data", "test")
  for row in dataset.scenes:
    poses = np.asarray(dataset.cameras(row).extrinsics)[::2]
    text = json.dumps({"extrinsics": poses.tolist()})
    (root / "poses" / f"{row.key}.json").write_text(text)


def tree(root: Path) -> dict[str, bytes | None]:
  """{name: bytes} of all below a folder, None for folders."""
  return {
    path.relative_to(root).as_posix(): path.read_bytes()
    if path.is_file()
    else None
    for path in sorted(root.rglob("*"))
  }


def results(verb: Verb, root: Path) -> dict[str, Any]:
  """{name: what is in it} of all below a folder, but for times and places."""
  if verb.read:
    return {"": verb.read(root / "out"), "left": _leftovers(root)}
  return {name: _content(name, data) for name, data in tree(root).items()}


def _leftovers(root: Path) -> list[str]:
  return [name for name in tree(root) if "tmp" in name or ".scenetok-" in name]


def _content(name: str, data: bytes | None) -> Any:
  if data and name.endswith(".json"):
    return _timeless(json.loads(data))
  if data and name.endswith(".npz"):
    with np.load(io.BytesIO(data)) as arrays:
      found = dict(arrays.items())
    fields = _timeless(json.loads(found.pop("fields.json").tobytes()))
    return fields, _values(found)
  return data


def _timeless(value: Any) -> Any:
  if isinstance(value, dict):
    return {k: _timeless(v) for k, v in value.items() if k not in _VARIES}
  return value


def _values(found: Any) -> dict[str, bytes]:
  """Arrays of a tree as bytes, which compare."""
  flat = flatten(found)
  return {str(name): np.asarray(x).tobytes() for name, x in flat.items()}


def _text(folder: Path, name: str) -> str:
  return (folder / name).read_text()
