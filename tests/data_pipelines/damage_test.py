"""Damage to data: reported and skipped in writing, refused in reading.

The tables WRITTEN, REFUSED and READ list every kind. A damaged scene never
stops the good ones beside it, and none passes silently.
"""

import dataclasses
import functools
import io
import json
import os
import re
import shutil
import zipfile

import numpy as np
import pytest

from data_pipelines import sources
from data_pipelines.latents import builders as latents
from data_pipelines.latents.records import LatentDataset
from data_pipelines.storage import builders, recipes, records
from scenetok_jax.parity import release_latents
from scenetok_jax.types import InputError
from tests.data_pipelines import chunks, clips
from tests.data_pipelines.latents.builders_test import _work as latent_work

_SHAPE = (16, 16)
_GOOD = ["first", "last"]


def _build(dataset, source, out):
  """The report of preparing the split `train` of a source."""
  options = sources.options_type(dataset)(size=_SHAPE)
  plan = sources.plan(dataset, source, "train", options)
  return builders.build(out, plan)


# RealEstate10K chunks: each function damages one scene of a chunk.


def _zero_byte_image(scene):
  scene["images"][3] = np.zeros(0, np.uint8)


def _truncated_image(scene):
  scene["images"][3] = scene["images"][3][:-300]


def _image_of_noise(scene):
  scene["images"][3] = np.arange(200, dtype=np.uint8)


def _bomb_header(scene):
  data = scene["images"][3].copy()
  at = data.tobytes().index(b"\xff\xc0") + 5  # height and width of a JPEG
  data[at : at + 4] = 0xFF  # 65535 x 65535
  scene["images"][3] = data


def _small_image(scene):
  scene["images"][3] = chunks.jpeg(12, 12, 0)


def _nan_pose(scene):
  scene["cameras"][3, 9] = np.nan


def _infinite_focal(scene):
  scene["cameras"][3, 0] = np.inf


def _left_handed(scene):
  scene["cameras"][3, 6:10] *= -1


def _scaled_rotation(scene):
  scene["cameras"][:, 6:9] *= 2


def _flat_rotation(scene):
  scene["cameras"][3, 6:18] = 0


def _negative_focal(scene):
  scene["cameras"][:, 1] *= -1


def _swapped_sides(scene):
  wide = chunks.scene(scene["key"], size=(20, 40))
  scene |= wide
  scene["cameras"][:, [0, 1]] = scene["cameras"][:, [1, 0]]


def _pixel_centre(scene):
  scene["cameras"][:, 2:4] *= 320


def _teleport(scene):
  scene["cameras"][6, 9] += 500


def _whole_numbers(scene):
  scene["cameras"] = scene["cameras"].astype(np.int64)


def _short_rows(scene):
  scene["cameras"] = scene["cameras"][:, :12]


def _missing_images(scene):
  scene["images"] = scene["images"][:-1]


def _one_frame(scene):
  scene["images"] = scene["images"][:1]
  scene["cameras"] = scene["cameras"][:1]


def _no_frames(scene):
  scene["images"], scene["cameras"] = [], scene["cameras"][:0]


def _no_cameras(scene):
  del scene["cameras"]


def _images_of_words(scene):
  scene["images"] = ["picture"] * len(scene["cameras"])


def _path_in_key(scene):
  scene["key"] = "../../escaped"


def _bad_characters(scene):
  scene["key"] = "broken\udcff"


def _line_break(scene):
  scene["key"] = "two\nlines"


WRITTEN = [
  (_zero_byte_image, r"frame 3: image is empty"),
  (_truncated_image, r"frame 3: image cannot be decoded.*[Tt]runcated"),
  (_image_of_noise, r"frame 3: image cannot be decoded"),
  (_bomb_header, r"frame 3: image cannot be decoded .*exceeds limit"),
  (_small_image, r"frame 3: image is 12x12.*--size"),
  (_nan_pose, r"frame 3: the camera holds NaN"),
  (_infinite_focal, r"frame 3: the camera holds NaN or Inf"),
  (_left_handed, r"frame 3: .*determinant -1"),
  (_scaled_rotation, r"frame 0: .*not orthonormal"),
  (_flat_rotation, r"frame 3: the rotation has no inverse"),
  (_negative_focal, r"focal lengths must be positive"),
  (_swapped_sides, r"are width and height swapped"),
  (_pixel_centre, r"principal point .* are these pixels"),
  (_teleport, r"camera jumps .* at frame [67]"),
  (_whole_numbers, r"cameras: int64 .*not float"),
  (_short_rows, r"cameras: float32 \(12, 12\), not float"),
  (_missing_images, r"11 images but 12 cameras"),
  (_one_frame, r"1 usable frames"),
  (_no_frames, r"no frame in it"),
  (_no_cameras, r"cameras: not a tensor"),
  (_images_of_words, r"images: not a list of tensors"),
  (_path_in_key, r"key: not a plain name"),
  (_bad_characters, r"key: not a plain name"),
  (_line_break, r"key: not a plain name"),
]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
  """One chunk with every damaged scene between two good ones; its report."""
  root = tmp_path_factory.mktemp("written")
  scenes = [chunks.scene("first", seed=1)]
  keys = {}
  for damage, _ in WRITTEN:
    scene = chunks.scene(damage.__name__)
    damage(scene)
    keys[damage] = scene["key"]
    scenes.append(scene)
  scenes.append(chunks.scene("last", seed=2))
  chunks.save_split(root / "raw/train", {"a.torch": scenes})
  report = _build("re10k", root / "raw", root / "out")
  reasons = {item["scene"]: item["reason"] for item in report["dropped"]}
  return root, report, {damage: reasons.get(keys[damage]) for damage in keys}


@pytest.mark.parametrize("damage, message", WRITTEN)
def test_a_damaged_scene_is_reported(written, damage, message):
  _, _, reasons = written
  assert reasons[damage] is not None, "passed silently"
  assert re.search(message, reasons[damage]), reasons[damage]
  assert "unreadable (" not in reasons[damage], "nobody foresaw it"


def test_the_good_scenes_beside_them_are_written(written):
  root, report, _ = written
  assert report["seen"] == len(WRITTEN) + 2 and report["kept"] == 2
  data = records.Dataset(root / "out")
  assert [row.key for row in data.scenes] == _GOOD
  for row in data.scenes:
    images, cameras = data.read_frames(row, range(row.frames))
    assert images.shape == (12, *_SHAPE, 3)
    assert np.isfinite(cameras.extrinsics).all()
  assert not (root / "escaped").exists()
  # The report is valid JSON with the broken names in it.
  stored = json.loads((root / "out/report.json").read_bytes().decode("utf-8"))
  assert stored["dropped"] == report["dropped"]


# Damage to whole files of a source: what else it holds is still written.


def _truncated_chunk(folder):
  data = (folder / "bad.torch").read_bytes()
  (folder / "bad.torch").write_bytes(data[: len(data) // 2])


def _empty_chunk(folder):
  (folder / "bad.torch").write_bytes(b"")


def _missing_chunk(folder):
  (folder / "bad.torch").unlink()


def _flipped_bit(folder):
  data = bytearray((folder / "bad.torch").read_bytes())
  data[data.index(b"\xff\xd8\xff") + 400] ^= 1  # in the pixels of a JPEG
  (folder / "bad.torch").write_bytes(data)


def _running_code(folder):
  chunks.save(folder / "bad.torch", [chunks.scene("bad"), chunks.Code()])


def _huge_tensor(folder):
  scene = chunks.scene("bad")
  chunks.save(folder / "bad.torch", [scene])
  data = (folder / "bad.torch").read_bytes()
  count = scene["cameras"].shape[0].to_bytes(4, "little")
  rows = b"J" + count + b"J" + (18).to_bytes(4, "little")
  assert rows in data
  grown = data.replace(rows, b"J\xff\xff\xff\x7f" + rows[5:])
  (folder / "bad.torch").write_bytes(_with_right_checksums(grown, folder))


def _with_right_checksums(data, folder):
  """The pickle of a chunk's bytes, saved again so that only it is wrong."""
  with zipfile.ZipFile(folder / "bad.torch") as archive:
    members = {name: archive.read(name) for name in archive.namelist()}
  start = data.index(b"chunk/data.pkl") + len("chunk/data.pkl")
  size = len(members["chunk/data.pkl"])
  members["chunk/data.pkl"] = data[start : start + size]
  buffer = io.BytesIO()
  with zipfile.ZipFile(buffer, "w") as archive:
    for name, value in members.items():
      archive.writestr(name, value)
  return buffer.getvalue()


def _compressed_chunk(folder):
  with zipfile.ZipFile(folder / "bad.torch") as archive:
    members = {name: archive.read(name) for name in archive.namelist()}
  file = folder / "bad.torch"
  with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
    for name, value in members.items():
      archive.writestr(name, value)


def _scene_twice_in_its_chunk(folder):
  chunks.save(folder / "bad.torch", [chunks.scene("bad"), chunks.scene("bad")])


def _key_twice_in_the_index(folder):
  text = (folder / "index.json").read_text()
  (folder / "index.json").write_text(text[:-1] + ', "first": "bad.torch"}')


def _scene_not_in_its_chunk(folder):
  chunks.save(folder / "bad.torch", [chunks.scene("other")])


CHUNKS = [
  (_truncated_chunk, "bad", r"bad.torch: not a whole torch file"),
  (_empty_chunk, "bad", r"bad.torch: not a whole torch file"),
  (_missing_chunk, "bad", r"bad.torch: no such chunk"),
  (_flipped_bit, "bad", r"checksum differs"),
  (_running_code, "bad", r"refused: unpickling it would call os.system"),
  (_huge_tensor, "bad", r"is shorter than its shape says"),
  (_compressed_chunk, "bad", r"is compressed"),
  (_scene_twice_in_its_chunk, "bad", r"in it twice"),
  (_key_twice_in_the_index, "first", r"key: used twice"),
  (_scene_not_in_its_chunk, "bad", r"not in this chunk"),
]


def _source(folder):
  content = {
    "a.torch": [chunks.scene("first", seed=1)],
    "bad.torch": [chunks.scene("bad")],
    "z.torch": [chunks.scene("last", seed=2)],
  }
  chunks.save_split(folder / "train", content)
  return folder / "train"


@pytest.mark.parametrize("damage, key, message", CHUNKS)
def test_a_damaged_chunk_is_reported(tmp_path, damage, key, message):
  damage(_source(tmp_path / "raw"))
  report = _build("re10k", tmp_path / "raw", tmp_path / "out")
  (item,) = report["dropped"]
  assert item["scene"] == key
  with pytest.raises(InputError, match=message):
    raise InputError(item["reason"])
  kept = [row.key for row in records.Dataset(tmp_path / "out").scenes]
  assert [key for key in kept if key != "bad"] == _GOOD


# DL3DV folders: each function damages the folder of one scene.


def _no_transforms(folder, document):
  (folder / "transforms.json").unlink()


def _half_transforms(folder, document):
  (folder / "transforms.json").write_text(json.dumps(document)[:200])


def _not_utf8(folder, document):
  (folder / "transforms.json").write_bytes(b'{"w": "\xff\xfe"}')


def _no_images(folder, document):
  shutil.rmtree(folder / "images")


def _other_shape(folder, document):
  document["w"], document["h"] = document["h"], document["w"]
  clips.write_transforms(folder, document)


def _two_poses(folder, document):
  document["frames"][2]["file_path"] = document["frames"][1]["file_path"]
  clips.write_transforms(folder, document)


def _name_of_bytes(folder, document):
  os.rename(folder, os.fsencode(folder.parent) + b"/caf\xe9")


FOLDERS = [
  (_no_transforms, r"no transforms.json"),
  (_half_transforms, r"transforms.json: not valid JSON"),
  (_not_utf8, r"transforms.json"),
  (_no_images, r"images"),
  (_other_shape, r"has another shape"),
  (_two_poses, r"has a pose already"),
  (_name_of_bytes, r"key: not a plain name"),
]


def test_damaged_dl3dv_scenes_are_reported(tmp_path):
  root = tmp_path / "raw/train"
  for name in _GOOD:
    clips.write_capture(root / name)
  for number, (damage, _) in enumerate(FOLDERS):
    folder = root / f"scene{number}"
    damage(folder, clips.write_capture(folder))
  report = _build("dl3dv", tmp_path / "raw", tmp_path / "out")
  assert report["kept"] == 2 and len(report["dropped"]) == len(FOLDERS)
  reasons = {item["scene"]: item["reason"] for item in report["dropped"]}
  for number, (damage, message) in enumerate(FOLDERS):
    key = os.fsdecode(b"caf\xe9") if damage is _name_of_bytes else ""
    with pytest.raises(InputError, match=message):
      raise InputError(reasons[key or f"scene{number}"])
  assert "caf" in builders.summary(tmp_path, "train", report)


# Camera texts: each function damages the text or the frames of one scene.


def _write_text(folder, key):
  scene = chunks.scene(key)
  lines = [
    " ".join([str(1000 * i), *(f"{x:.9g}" for x in row)])
    for i, row in enumerate(scene["cameras"])
  ]
  (folder / key).mkdir(parents=True)
  for i, image in enumerate(scene["images"]):
    (folder / key / f"{1000 * i}.jpg").write_bytes(image.tobytes())
  (folder / f"{key}.txt").write_text("\n".join(["url", *lines]) + "\n")


def _short_row(folder, key):
  text = (folder / f"{key}.txt").read_text()
  (folder / f"{key}.txt").write_text(text.rstrip().rpartition(" ")[0])


def _words(folder, key):
  text = (folder / f"{key}.txt").read_text()
  (folder / f"{key}.txt").write_text(text.replace("0.5", "half", 1))


def _bytes_in_text(folder, key):
  (folder / f"{key}.txt").write_bytes(b"url\n\xff\xfe")


def _only_the_url(folder, key):
  (folder / f"{key}.txt").write_text("url\n")


def _same_stamp(folder, key):
  lines = (folder / f"{key}.txt").read_text().splitlines()
  (folder / f"{key}.txt").write_text("\n".join([*lines, lines[-1]]))


def _frames_lost(folder, key):
  shutil.rmtree(folder / key)


def _names_of_others(folder, key):
  for number, file in enumerate(sorted((folder / key).iterdir())):
    file.rename(file.with_name(f"x{number}.jpg"))
  (folder / key / "x0.jpg").unlink()


TEXTS = [
  (_short_row, r"line 13: not a timestamp and 18 numbers"),
  (_words, r"line 2: not a timestamp and 18 numbers"),
  (_bytes_in_text, r"not readable"),
  (_only_the_url, r"no camera in it"),
  (_same_stamp, r"line 14: timestamp used twice"),
  (_frames_lost, r"no frames: none of"),
  (_names_of_others, r"none of its 12 timestamps"),
]


def test_damaged_camera_texts_are_reported(tmp_path):
  folder = tmp_path / "raw/train"
  for name in _GOOD:
    _write_text(folder, name)
  for damage, _ in TEXTS:
    _write_text(folder, damage.__name__)
    damage(folder, damage.__name__)
  report = _build("acid", tmp_path / "raw", tmp_path / "out")
  reasons = {item["scene"]: item["reason"] for item in report["dropped"]}
  assert report["kept"] == 2 and len(reasons) == len(TEXTS)
  for damage, message in TEXTS:
    with pytest.raises(InputError, match=message):
      raise InputError(reasons[damage.__name__])


# Sources in which nothing can be told apart are refused as a whole.


def _missing_index(folder):
  (folder / "index.json").unlink()


def _index_of_words(folder):
  (folder / "index.json").write_text("[1, 2")


def _index_of_bytes(folder):
  (folder / "index.json").write_bytes(b'{"caf\xe9": "a.torch"}')


def _index_that_leaves(folder):
  (folder / "index.json").write_text('{"first": "../../secret.torch"}')


REFUSED = [
  (_missing_index, r"index.json: not found"),
  (_index_of_words, r"index.json: not valid JSON"),
  (_index_of_bytes, r"index.json: not valid JSON"),
  (_index_that_leaves, r"index.json: must be"),
]


@pytest.mark.parametrize("damage, message", REFUSED)
def test_a_source_without_an_index_is_refused(tmp_path, damage, message):
  damage(_source(tmp_path / "raw"))
  with pytest.raises(InputError, match=message):
    _build("re10k", tmp_path / "raw", tmp_path / "out")
  assert not (tmp_path / "out").exists()


# Prepared data: each function damages a copy of a split.


def _shards(split):
  return sorted(split.glob("*.array_record-*"))


def _half_written_shard(split):
  data = _shards(split)[0].read_bytes()
  _shards(split)[0].write_bytes(data[: len(data) // 2])


def _lost_shard(split):
  _shards(split)[1].unlink()


def _swapped_shards(split):
  first, second, *_ = _shards(split)
  first.rename(split / "aside")
  second.rename(first)
  (split / "aside").rename(second)


def _flipped_pixel(split):
  data = bytearray(_shards(split)[0].read_bytes())
  data[data.index(b"IDAT") + 20] ^= 4
  _shards(split)[0].write_bytes(data)


def _zeros_in_a_shard(split):
  data = bytearray(_shards(split)[0].read_bytes())
  data[1000:1200] = bytes(200)
  _shards(split)[0].write_bytes(data)


def _cut_cameras(split):
  data = (split / "cameras.f32").read_bytes()
  (split / "cameras.f32").write_bytes(data[:-50])


def _nan_cameras(split):
  numbers = np.fromfile(split / "cameras.f32", "<f4")
  numbers[::25] = np.nan
  numbers.tofile(split / "cameras.f32")


def _lost_rows(split):
  lines = (split / "scenes.jsonl").read_text().splitlines(keepends=True)
  (split / "scenes.jsonl").write_text("".join(lines[:-1]))


def _lost_index(split):
  (split / "scenes.jsonl").unlink()


def _unfinished_split(split):
  (split / "prepared.json").unlink()


def _later_version(split):
  info = json.loads((split / "prepared.json").read_text())
  info["format_version"] += 1
  (split / "prepared.json").write_text(json.dumps(info))


def _other_size_in_the_index(split):
  rows = (split / "scenes.jsonl").read_text()
  rows = rows.replace('"height": 16', '"height": 32')
  (split / "scenes.jsonl").write_text(rows)


def _rows_in_another_order(split):
  lines = (split / "scenes.jsonl").read_text().splitlines()
  rows = [json.loads(line) for line in lines]
  rows[0]["first"], rows[1]["first"] = rows[1]["first"], rows[0]["first"]
  text = "".join(json.dumps(row) + "\n" for row in rows)
  (split / "scenes.jsonl").write_text(text)


READ = [
  _half_written_shard,
  _lost_shard,
  _swapped_shards,
  _flipped_pixel,
  _zeros_in_a_shard,
  _cut_cameras,
  _nan_cameras,
  _lost_rows,
  _lost_index,
  _unfinished_split,
  _later_version,
  _other_size_in_the_index,
  _rows_in_another_order,
]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
  path = tmp_path_factory.mktemp("prepared")
  scenes = [
    recipes.SceneLoader(f"s{i}", functools.partial(clips.clip, 12, 16, i))
    for i in range(3)
  ]  # equally long: counts alone do not tell shards apart
  builders.build(path, dataclasses.replace(clips.plan(), scenes=scenes))
  return path


def _read_all(path):
  data = records.Dataset(path)
  for row in data.scenes:
    data.cameras(row)
    data.read_frames(row, range(row.frames))


@pytest.mark.parametrize("damage", READ)
def test_damaged_records_are_refused(prepared, tmp_path, damage):
  shutil.copytree(prepared, tmp_path / "copy")
  _read_all(tmp_path / "copy")
  damage(tmp_path / "copy/train")
  with pytest.raises(InputError, match=r"prepare|make it with") as caught:
    _read_all(tmp_path / "copy")
  assert str(tmp_path / "copy") in str(caught.value)


# Latents.


def _zeros_in_latents(split):
  _zeros_in_a_shard(split / "context")


def _half_of_the_latents(split):
  _half_written_shard(split / "target")


def _swapped_latents(split):
  _swapped_shards(split / "context")


def _other_latent_type(split):
  info = json.loads((split / "prepared.json").read_text())
  info["codecs"]["context"]["shape"][-1] += 8
  (split / "prepared.json").write_text(json.dumps(info))


LATENTS = [
  _zeros_in_latents,
  _half_of_the_latents,
  _swapped_latents,
  _other_latent_type,
  _nan_cameras,
  _cut_cameras,
  _lost_index,
  _unfinished_split,
]


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
  frames, path = (tmp_path_factory.mktemp(n) for n in ("frames", "latents"))
  scenes = [
    recipes.SceneLoader(f"s{i}", functools.partial(clips.clip, 40, 16, i))
    for i in range(2)
  ]
  builders.build(frames, dataclasses.replace(clips.plan(), scenes=scenes))
  latents.build(path, latent_work(frames, flipped=False))
  return path


def _read_latents(path):
  data = LatentDataset(path)
  for row in data.scenes:
    data.cameras(row)
    data.read(row, "context", np.arange(row.frames))
    data.read(row, "target", np.arange(row.latents))


@pytest.mark.parametrize("damage", LATENTS)
def test_damaged_latents_are_refused(stored, tmp_path, damage):
  shutil.copytree(stored, tmp_path / "copy")
  _read_latents(tmp_path / "copy")
  damage(tmp_path / "copy/train")
  with pytest.raises(InputError) as caught:
    _read_latents(tmp_path / "copy")
  assert str(tmp_path / "copy") in str(caught.value)


# The authors' latent files.


def _arrays():
  cameras = clips.clip(12).cameras
  return {
    "latent": np.ones((12, 4, 2, 2), np.float16),
    "extrinsics": cameras.extrinsics.astype(np.float16),
    "intrinsics": cameras.intrinsics.astype(np.float16),
  }


def _objects(path, arrays):
  arrays["latent"] = np.array([None, {}], object)
  np.savez(path, **arrays)


def _half_file(path, arrays):
  np.savez(path, **arrays)
  path.write_bytes(path.read_bytes()[:600])


def _no_latent(path, arrays):
  del arrays["latent"]
  np.savez(path, **arrays)


def _nan_latent(path, arrays):
  arrays["latent"][3] = np.nan
  np.savez(path, **arrays)


def _integers(path, arrays):
  np.savez(path, **{**arrays, "latent": arrays["latent"].astype(np.int32)})


def _flat_cameras(path, arrays):
  np.savez(path, **{**arrays, "extrinsics": arrays["extrinsics"][:, :3]})


@pytest.mark.parametrize(
  "damage",
  [_objects, _half_file, _no_latent, _nan_latent, _integers, _flat_cameras],
)
def test_damaged_latent_files_are_refused(tmp_path, damage):
  path = tmp_path / "scene.npz"
  np.savez(path, **_arrays())
  release_latents.read_file(path)
  damage(path, _arrays())
  with pytest.raises(InputError, match=r"scene.npz"):
    release_latents.read_file(path)


def test_a_map_that_leaves_its_folder_is_refused(tmp_path):
  (tmp_path / "map_dict.json").write_text(
    json.dumps({"train": {"1": {"a": ["../../secret.npz"]}}})
  )
  with pytest.raises(InputError, match=r"map_dict.json"):
    release_latents.read_map(tmp_path, "train")
