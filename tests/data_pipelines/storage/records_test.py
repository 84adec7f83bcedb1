"""Prepared records: exact round trip, random access, damage is reported."""

import json
import pickle
import shutil

import numpy as np
import pytest
import tensorflow_datasets as tfds

from data_pipelines.storage import builders, records
from data_pipelines.storage.images import decode_image, encode_image
from data_pipelines.storage.records import Dataset, splits
from scenetok_jax.geometry import scale
from scenetok_jax.types import InputError
from tests.data_pipelines import clips

_HUGE = 10**12


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
  path = tmp_path_factory.mktemp("prepared")
  builders.build(path, clips.plan(scenes=3, frames=12))
  return path


def test_png_frames_and_cameras_come_back_exactly_and_in_order(prepared):
  dataset = Dataset(prepared)
  assert [row.frames for row in dataset.scenes] == [12, 13, 14]
  for number, row in enumerate(dataset.scenes):
    expected = clips.clip(row.frames, 16, number)
    frames = np.array([7, 0, 3, 3])
    images, cameras = dataset.read_frames(row, frames)
    np.testing.assert_array_equal(images, expected.images[frames])
    for got in (cameras, dataset.cameras(row.key)):
      wanted = frames if got is cameras else np.arange(row.frames)
      np.testing.assert_array_equal(
        got.extrinsics, expected.cameras.extrinsics[wanted]
      )
      np.testing.assert_array_equal(
        got.intrinsics, expected.cameras.intrinsics[wanted]
      )


def test_cameras_that_are_kept_cannot_be_changed(prepared):
  dataset = Dataset(prepared)
  with pytest.raises(ValueError, match="read-only"):
    dataset.cameras("s1").extrinsics[0, 0, 3] += 1
  assert dataset.cameras("s1") is dataset.cameras(1)


def test_jpeg_frames_come_back_within_two_grey_levels():
  image = clips.clip(1, 64).images[0]
  decoded = decode_image(encode_image(image, "jpeg"), "here")
  assert np.abs(decoded.astype(int) - image).max() <= 2


def test_reading_frames_reads_only_their_records(prepared, monkeypatch):
  dataset = Dataset(prepared)
  read = []
  source = dataset._source
  monkeypatch.setattr(dataset, "_source", _Spy(source, read), raising=True)
  dataset.read_frames("s1", [2, 5])
  first = dataset.scene("s1").first
  assert read == [first + 2, first + 5]
  assert dataset.records_read == 2
  dataset.cameras("s1")  # the index answers
  assert len(read) == 2


class _Spy:
  def __init__(self, source, read):
    self._source, self._read = source, read

  def __getitem__(self, index):
    self._read.append(index)
    return self._source[index]


def test_a_split_is_a_tensorflow_dataset(prepared):
  source = tfds.builder_from_directory(prepared / "train").as_data_source(
    "train"
  )
  dataset = Dataset(prepared)
  assert len(source) == dataset.frames
  example = source[dataset.scene("s1").first + 4]
  assert example["scene"] == b"s1" and example["frame"] == 4
  images, cameras = dataset.read_frames("s1", [4])
  np.testing.assert_array_equal(example["extrinsics"], cameras.extrinsics[0])
  np.testing.assert_array_equal(decode_image(example["image"], ""), images[0])


def test_a_dataset_travels_to_worker_processes(prepared):
  copy = pickle.loads(pickle.dumps(Dataset(prepared)))
  np.testing.assert_array_equal(
    copy.read_frames(0, [1])[0], Dataset(prepared).read_frames(0, [1])[0]
  )


def test_scenes_are_found_by_key_and_number(prepared):
  dataset = Dataset(prepared)
  assert dataset.scene("s2") is dataset.scene(2) is dataset.scene("2")
  for wrong in ("s9", 3, "x"):
    with pytest.raises(InputError, match=r"not there.*s0, s1, s2"):
      dataset.scene(wrong)
  with pytest.raises(InputError, match="has 12 frames"):
    dataset.read_frames("s0", [12])


def test_missing_data_names_the_command_that_makes_it(prepared, tmp_path):
  with pytest.raises(InputError, match=r"data.path.*scenetok prepare"):
    Dataset(tmp_path / "nothing")
  with pytest.raises(InputError, match=r"data.split.*found: train.*prepare"):
    Dataset(prepared, "test")
  assert splits(prepared) == ["train"]


def _truncate(path, keep):
  path.write_bytes(path.read_bytes()[:keep])


def _old_version(path, _):
  info = json.loads(path.read_text())
  path.write_text(json.dumps({**info, "format_version": 0}))


@pytest.mark.parametrize(
  "name, damage, keep",
  [
    ("posed_frames-train.array_record-00000-of-00003", _truncate, 1000),
    ("posed_frames-train.array_record-00000-of-00003", _truncate, 0),
    ("cameras.f32", _truncate, 410),
    ("cameras.f32", _truncate, 400),
    ("scenes.jsonl", _truncate, 150),
    ("scenes.jsonl", _truncate, 0),
    ("prepared.json", _truncate, 20),
    ("prepared.json", _old_version, 0),
  ],
)
def test_damaged_files_are_refused(prepared, tmp_path, name, damage, keep):
  shutil.copytree(prepared, tmp_path / "copy")
  damage(tmp_path / "copy" / "train" / name, keep)
  with pytest.raises(InputError, match="prepare"):
    Dataset(tmp_path / "copy")


def test_damaged_records_are_refused_when_read(prepared, tmp_path):
  shutil.copytree(prepared, tmp_path / "copy")
  file = tmp_path / "copy/train/posed_frames-train.array_record-00000-of-00003"
  data = bytearray(file.read_bytes())
  start = data.find(b"\x89PNG")
  data[start : start + 40] = bytes(40)
  file.write_bytes(data)
  dataset = Dataset(tmp_path / "copy")
  with pytest.raises(InputError, match=r"scene s\d: frame \d+"):
    for row in dataset.scenes:
      dataset.read_frames(row, range(row.frames))


def _flip(file, place):
  data = bytearray(file.read_bytes())
  data[place] ^= 1
  file.write_bytes(data)


def test_a_flipped_bit_of_a_camera_is_refused(prepared, tmp_path):
  copy = tmp_path / "copy"
  shutil.copytree(prepared, copy)
  place = 4 * 25 * 12 + 4 * 3  # of the second scene, a position's lowest bit
  _flip(copy / "train/cameras.f32", place)
  dataset = Dataset(copy)
  dataset.cameras("s0")
  problem = r"train/cameras\.f32: scene s1: its bytes have changed"
  for read in (dataset.cameras, lambda key: dataset.read_frames(key, [0])):
    with pytest.raises(InputError, match=problem):
      read("s1")


def _older(split, *fields):
  """A split as it was written when rows did not have some fields."""
  file = split / "scenes.jsonl"
  rows = [json.loads(line) for line in file.read_text().splitlines()]
  rows = [{k: v for k, v in row.items() if k not in fields} for row in rows]
  file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
  info = json.loads((split / "prepared.json").read_text())
  del info["scale"]
  (split / "prepared.json").write_text(json.dumps(info))


def test_older_data_have_no_checksum_and_are_measured(prepared, tmp_path):
  copy = tmp_path / "copy"
  shutil.copytree(prepared, copy)
  _older(copy / "train", "cameras_crc32", "depth")
  found, new = Dataset(copy), Dataset(prepared)
  assert found.info.get("scale") is None
  assert found.scale == new.scale == new.info["scale"]
  cameras = [data.cameras("s1").extrinsics for data in (found, new)]
  np.testing.assert_array_equal(*cameras)
  each = [scale.baseline(new.cameras(r).extrinsics) for r in new.scenes]
  assert new.scale["scenes"] == 3 and "depth" not in new.scale
  np.testing.assert_allclose(new.scale["baseline"][2], np.median(each), 1e-5)


def test_unknown_image_formats_and_bytes_are_refused():
  with pytest.raises(InputError, match="image format"):
    encode_image(np.zeros((8, 8, 3), np.uint8), "gif")
  with pytest.raises(InputError, match="here: image is empty"):
    decode_image(b"", "here")


@pytest.mark.parametrize(
  "change, problem",
  [
    ({"frames": -1}, "frames: -1 is not from"),
    ({"frames": 10**30}, "an integer of 31 digits"),
    ({"frames": _HUGE}, "counts"),
    ({"frames": "12"}, "frames: '12' is not an integer"),
    ({"frames": True}, "frames: True is not an integer"),
    ({"height": _HUGE}, "height: 1000000000000 is not from 1 to"),
    ({"width": 0}, "width: 0 is not from 1 to"),
    ({"first": 1}, "first: 1, after"),
    ({"first": -1}, "first: -1 is not from"),
    ({"held_out": [99]}, "held_out: a frame beyond its end"),
    ({"held_out": "1"}, "held_out: '1' is not a list"),
    ({"key": ["s0"]}, "['s0']: key: not a plain name"),
    ({"key": "x" * 256}, "key: not a plain name"),
    ({"key": "a\0b"}, "key: not a plain name"),
    ({"sha256": None}, "sha256: None is not a string"),
    ({"cameras_crc32": "0"}, "cameras_crc32: '0' is not an integer"),
    ({"depth": -1.0}, "depth: -1.0 is not from"),
    ({"more": 1}, "more: unknown"),
  ],
)  # fmt: skip
def test_rows_of_hostile_data_are_refused(prepared, tmp_path, change, problem):
  copy = tmp_path / "copy"
  shutil.copytree(prepared, copy)
  file = copy / "train" / records.SCENES
  *others, last = file.read_text().splitlines()
  lines = [*others, json.dumps(json.loads(last) | change)]
  file.write_text("\n".join(lines))
  with pytest.raises(InputError) as error:
    records.Dataset(copy)
  assert problem in str(error.value) and len(str(error.value)) < 500


@pytest.mark.parametrize(
  "change, problem",
  [
    ({"format_version": 2}, "format_version: 2, this program reads 1"),
    ({"format_version": True}, "format_version: True is not an integer"),
    ({"format_version": None}, "format_version: None is not an integer"),
    ({"report": []}, "report: a list of 0 is not an object"),
    ({"kind": 1}, "kind: 1 is not a string"),
  ],
)
def test_hostile_prepared_json_is_refused(prepared, tmp_path, change, problem):
  copy = tmp_path / "copy"
  shutil.copytree(prepared, copy)
  file = copy / "train" / records.PREPARED
  file.write_text(json.dumps(json.loads(file.read_text()) | change))
  with pytest.raises(InputError, match=problem):
    records.Dataset(copy)
