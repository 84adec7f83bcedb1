"""Scene keys name files: one that could leave its folder enters nowhere."""

import dataclasses
import json

import numpy as np
import pytest
from safetensors.numpy import save

from data_pipelines.latents.records import LatentRow
from data_pipelines.storage import records
from data_pipelines.storage.records import SceneRow
from data_pipelines.views.evaluation import read_index
from scenetok_jax.cli import main as scenetok
from scenetok_jax.convert.own_files import own_arrays, sealed
from scenetok_jax.evaluation.store import ResultStore
from scenetok_jax.sampling.scene_file import Scene
from scenetok_jax.types import Cameras, InputError, check_key
from tests.cli import workdirs
from tests.outputs_test import tree

BAD = [
  "../../x", "/abs/path", "a/b", "a\\b", "..", ".", "", ".hidden", "a\nb",
  "\x1b[31mred", "nul\0", "\udcff", "k" * 201, "\u4e2d" * 67, 7, None, ["a"],
]  # fmt: skip


@pytest.mark.parametrize("key", ["a", "room 3", "\u4e2d" * 66, "a.b-c_d"])
def test_plain_names_are_keys(key, tmp_path):
  assert check_key(key) == key
  file = ResultStore(tmp_path).picture(key)
  file.write_text("")  # a name that a file may have


@pytest.mark.parametrize("key", BAD, ids=lambda key: ascii(key)[:20])
@pytest.mark.parametrize("kind", [SceneRow, LatentRow])
def test_rows_of_prepared_data(key, kind, tmp_path):
  file = tmp_path / records.SCENES
  fields = [field.name for field in dataclasses.fields(kind)]
  row = dict.fromkeys(fields, 1) | {"held_out": [], "first": 0}
  row |= {"source": "here", "sha256": "", "origin": [0.0] * 3}
  row = {name: row[name] for name in fields}
  good = json.dumps(row | {"key": "good"})
  file.write_text(f"{good}\n{json.dumps(row | {'key': key})}\n")
  with pytest.raises(InputError, match=r"line 2: scene .*: key: not a") as told:
    records.read_scenes(file, kind)
  assert len(str(told.value)) < 600 and str(told.value).isprintable()


@pytest.mark.parametrize("key", BAD[:12], ids=ascii)
def test_index_files_and_scene_files(key, tmp_path):
  entry = {"context": [0], "target": [1]}
  (tmp_path / "i.json").write_text(json.dumps({key: entry}))
  with pytest.raises(InputError, match="key: not a plain name"):
    read_index(tmp_path / "i.json")
  eye = np.eye(4, dtype=np.float32)
  cameras = Cameras(eye[None], np.eye(3, dtype=np.float32)[None])
  scene = Scene("good", np.ones((2, 4)), eye, cameras, "model", "codec")
  with pytest.raises(InputError, match="key: not a plain name"):
    dataclasses.replace(scene, key=key).save(tmp_path / "a.tok")
  scene.save(tmp_path / "a.tok")
  with own_arrays(tmp_path / "a.tok", "scene", "") as (arrays, metadata):
    plain, other = (json.dumps({"key": name})[1:-1] for name in ("good", key))
    changed = {k: text.replace(plain, other) for k, text in metadata.items()}
  assert changed != metadata
  (tmp_path / "a.tok").write_bytes(save(arrays, sealed(arrays, changed)))
  with pytest.raises(InputError, match=r"a\.tok: scene .*not a plain name"):
    Scene.load(tmp_path / "a.tok")


@pytest.fixture(scope="module")
def rooms(tmp_path_factory):
  return workdirs.rooms(tmp_path_factory.mktemp("keys") / "a" / "b", 1, 12)


@pytest.mark.parametrize(
  "command",
  [
    "inspect DATA --split=test",
    "inspect DATA --split=test --scene=0",
    "inspect DATA --split=test --scene=0 --out=OUT",
    "pose-score --data=DATA --images=DATA --scene=0 --poses=OUT --out=OUT",
    "make-index --data=DATA --context=2 --targets=2 --out=OUT.json",
  ],
)
def test_commands_write_nothing_for_them(
  command, rooms, monkeypatch, tmp_path, capsys
):
  file = rooms / "test" / records.SCENES
  row = json.loads(file.read_text().splitlines()[0])
  file.write_text(json.dumps(row | {"key": "../../x"}) + "\n")
  monkeypatch.chdir(tmp_path)
  before = tree(rooms.parents[1])
  words = command.replace("DATA", str(rooms)).replace("OUT", "out").split()
  capsys.readouterr()
  assert scenetok.main(words) == 2
  told = capsys.readouterr().err
  assert "not a plain name" in told and told.count("\n") == 1
  assert tree(tmp_path) == {} and tree(rooms.parents[1]) == before
