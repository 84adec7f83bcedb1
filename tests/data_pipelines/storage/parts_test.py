"""Parts that a crash of the machine damaged are told, not published."""

import numpy as np
import pytest

from data_pipelines.storage import writer
from scenetok_jax.types import Cameras, InputError
from tests.data_pipelines import clips


def _part(root):
  folder = root / "part-00000"
  part = writer.PartWriter(folder)
  lenses = np.tile([[0.9, 0, 0.5], [0, 0.9, 0.5], [0, 0, 1]], (3, 1, 1))
  cameras = Cameras(clips.poses(3), lenses)
  part.add(writer.EncodedScene("a", [b"x"] * 3, cameras, 16, 16, "here"))
  part.close({"dropped": [], "warnings": []})
  return folder


def _cut_cameras(folder):
  file = folder / "cameras.f32"
  file.write_bytes(file.read_bytes()[:-100])


def _no_index(folder):
  (folder / "scenes.jsonl").write_bytes(b"")


def _empty_report(folder):
  (folder / "part.json").write_bytes(b"")


def _other_count(folder):
  file = folder / "part.json"
  file.write_text(file.read_text().replace('"frames": 3', '"frames": 4'))


def _other_type(folder):
  file = folder / "part.json"
  file.write_text(file.read_text().replace('"frames": 3', '"frames": "3"'))


@pytest.mark.parametrize(
  ("damage", "told"),
  [
    (_cut_cameras, "its files are of other numbers of frames; delete"),
    (_no_index, "scenes.jsonl: no scene in it"),
    (_empty_report, "part.json: not valid JSON .*; delete .*part-00000 and"),
    (_other_count, "its files are of other numbers of frames; delete"),
    (_other_type, "part.json: frames: '3' is not an integer; delete"),
  ],
)
def test_a_damaged_part_is_told(tmp_path, damage, told):
  folder = _part(tmp_path)
  damage(folder)
  with pytest.raises(InputError, match=told):
    writer.merge([folder], tmp_path / "train", "train", {})
  assert not (tmp_path / "train/prepared.json").exists()


def test_a_whole_part_is_published(tmp_path):
  writer.merge([_part(tmp_path)], tmp_path / "train", "train", {})
  assert (tmp_path / "train/prepared.json").is_file()
