"""A user's captures: every form reads to the same cameras and frames."""

import json
import shutil
import struct

import imageio.v3 as imageio
import numpy as np
import pytest
from PIL import Image

from data_pipelines.sources import capture
from data_pipelines.sources.capture import colmap_files
from data_pipelines.storage import builders, encoding, recipes
from data_pipelines.storage.records import Dataset
from scenetok_jax.geometry import camera_files
from scenetok_jax.types import InputError
from tests.data_pipelines import clips
from tests.goldens import shared_dir

_SIZE = 24
_OPTIONS = capture.CaptureOptions(size=_SIZE)


def _levels(scene):
  """Frame numbers, which clips.write_capture writes as brightness."""
  return np.round(scene.images[:, 0, -1, 0] / 20).astype(int).tolist()


def _check(scene, frames=6):
  np.testing.assert_allclose(
    scene.cameras.extrinsics, clips.poses(frames), atol=1e-6
  )
  assert _levels(scene) == list(range(frames))
  assert scene.images.shape == (frames, _SIZE, _SIZE, 3)
  # 40x30 -> 32x24 -> 24x24: four columns go on either side.
  expected = [
    [50 / 40 * 32 / 24, 0, (19 / 40 * 32 - 4) / 24],
    [0, 52 / 30, 16 / 30],
    [0, 0, 1],
  ]
  np.testing.assert_allclose(
    scene.cameras.intrinsics, np.tile(expected, (frames, 1, 1)), atol=1e-6
  )


def test_transforms_become_opencv_cameras_of_the_cropped_frames(tmp_path):
  clips.write_capture(tmp_path)
  _check(capture.load(tmp_path, _SIZE))


def _nerfstudio_folder(folder, document):
  (folder / "nerfstudio").mkdir()
  for name in ("images", "transforms.json"):
    shutil.move(folder / name, folder / "nerfstudio" / name)


def _nerfstudio_poses_only(folder, document):
  (folder / "nerfstudio").mkdir()
  shutil.move(folder / "transforms.json", folder / "nerfstudio")


def _other_folder(folder, document):
  (folder / "images").rename(folder / "images_4")


def _no_extension(folder, document):
  for frame in document["frames"]:
    frame["file_path"] = frame["file_path"].removesuffix(".png")


def _other_extension(folder, document):
  (folder / "images").rename(folder / "images_2")
  for frame in document["frames"]:
    frame["file_path"] = frame["file_path"].replace(".png", ".jpg")


def _foreign_path(folder, document):
  for frame in document["frames"]:
    frame["file_path"] = "C:\\work\\" + frame["file_path"].replace("/", "\\")


def _shuffled(folder, document):
  document["frames"] = document["frames"][::-1]


def _per_frame(folder, document):
  shared = {k: document.pop(k) for k in list(document) if k != "frames"}
  for frame in document["frames"]:
    frame.update(shared)


def _top_rows_only(folder, document):
  for frame in document["frames"]:
    frame["transform_matrix"] = frame["transform_matrix"][:3]


def _unposed_images(folder, document):
  extra = folder / "images" / "frame_99.png"
  shutil.copy(folder / "images" / "frame_0.png", extra)


@pytest.mark.parametrize(
  "change",
  [
    _nerfstudio_folder,
    _nerfstudio_poses_only,
    _other_folder,
    _no_extension,
    _other_extension,
    _foreign_path,
    _shuffled,
    _per_frame,
    _top_rows_only,
    _unposed_images,
  ],
)
def test_variants_of_the_layout_read_alike(tmp_path, change):
  document = clips.write_capture(tmp_path)
  change(tmp_path, document)
  if (tmp_path / "transforms.json").exists():
    clips.write_transforms(tmp_path, document)
  _check(capture.load(tmp_path, _SIZE))


def test_ten_frames_sort_by_number(tmp_path):
  clips.write_capture(tmp_path, frames=12)
  assert _levels(capture.load(tmp_path, _SIZE)) == list(range(12))


def test_an_angle_of_view_is_enough(tmp_path):
  document = clips.write_capture(tmp_path)
  angle = 2 * np.arctan(40 / 2 / 50)
  document = {"frames": document["frames"], "camera_angle_x": angle}
  clips.write_transforms(tmp_path, document)
  intrinsics = capture.load(tmp_path, _SIZE).cameras.intrinsics[0]
  expected = [[50 / 30, 0, 0.5], [0, 50 / 30, 0.5], [0, 0, 1]]
  np.testing.assert_allclose(intrinsics, expected, atol=1e-6)


def _poses_document(frames=6):
  k = [[50, 0, 19], [0, 52, 16], [0, 0, 1]]
  w2c = np.linalg.inv(clips.poses(frames))
  return [{"K": k, "w2c": pose.tolist()} for pose in w2c]


def _write_poses(folder, frames):
  (folder / "transforms.json").unlink(missing_ok=True)
  (folder / "poses.json").write_text(json.dumps({"frames": frames}))


def test_plain_poses_read_alike(tmp_path):
  clips.write_capture(tmp_path)
  frames = _poses_document()
  for i, frame in enumerate(frames):
    frame["file"] = f"images/frame_{i}.png"
  _write_poses(tmp_path, frames)
  _check(capture.load(tmp_path, _SIZE))
  for frame, c2w in zip(frames, clips.poses(6), strict=True):
    del frame["w2c"]
    frame["c2w"] = c2w.tolist()
  _write_poses(tmp_path, frames)
  _check(capture.load(tmp_path, _SIZE))


def test_video_frames_are_found_by_index(tmp_path):
  frames = [np.full((32, 48, 3), 20 * i, np.uint8) for i in range(8)]
  imageio.imwrite(tmp_path / "clip.mp4", np.array(frames), fps=8)
  poses = _poses_document()
  for i, frame in zip((0, 2, 3, 4, 5, 7), poses, strict=True):
    frame["index"] = i
  _write_poses(tmp_path, poses)
  scene = capture.load(tmp_path, _SIZE)
  assert _levels(scene) == [0, 2, 3, 4, 5, 7]
  np.testing.assert_allclose(
    scene.cameras.extrinsics, clips.poses(6), atol=1e-6
  )
  poses[-1]["index"] = 8
  _write_poses(tmp_path, poses)
  with pytest.raises(InputError, match=r"clip.mp4: the video has 5 of the 6"):
    capture.load(tmp_path, _SIZE)
  (tmp_path / "clip.mp4").write_bytes(b"no video")
  with pytest.raises(InputError, match=r"clip.mp4: cannot be decoded"):
    capture.load(tmp_path, _SIZE)


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("where", ["sparse/0", "colmap/sparse/0", "sparse"])
def test_colmap_models_read_alike(tmp_path, binary, where):
  clips.write_capture(tmp_path)
  (tmp_path / "transforms.json").unlink()
  clips.write_colmap(tmp_path / where, binary=binary)
  _check(capture.load(tmp_path, _SIZE))


@pytest.mark.parametrize("binary", [False, True])
def test_colmap_itself_reads_and_writes_the_same(tmp_path, binary):
  pycolmap = pytest.importorskip("pycolmap", reason="extra `colmap`")
  clips.write_capture(tmp_path)
  (tmp_path / "transforms.json").unlink()
  clips.write_colmap(tmp_path / "ours", binary=binary)
  model = pycolmap.Reconstruction(str(tmp_path / "ours"))
  (tmp_path / "sparse").mkdir()
  (model.write_binary if binary else model.write_text)(str(tmp_path / "sparse"))
  _check(capture.load(tmp_path, _SIZE))


def test_a_rare_lens_of_colmap_names_the_extra(tmp_path, monkeypatch):
  monkeypatch.setitem(__import__("sys").modules, "pycolmap", None)
  clips.write_capture(tmp_path)
  (tmp_path / "transforms.json").unlink()
  clips.write_colmap(tmp_path / "sparse/0")
  told = "1 FOV 40 30 50 52 19 16 0.5\n"
  (tmp_path / "sparse/0/cameras.txt").write_text(told)
  with pytest.raises(InputError, match=r"FOV lens .*scenetok_jax\[colmap\]"):
    capture.load(tmp_path, _SIZE)


def _lens(model, *params):
  return colmap_files.Camera(model, 40, 30, params).calibration_matrix()


def test_colmap_s_lenses_have_one_focal_length_or_two():
  one, two = colmap_files.MODELS[2], colmap_files.MODELS[4]
  np.testing.assert_array_equal(
    _lens(one, 5, 2, 3, 9), [[5, 0, 2], [0, 5, 3], [0, 0, 1]]
  )
  np.testing.assert_array_equal(
    _lens(two, 5, 6, 2, 3, 9), [[5, 0, 2], [0, 6, 3], [0, 0, 1]]
  )


@pytest.mark.parametrize(
  ("name", "at", "value", "told"),
  [
    ("cameras", 0, "<Q", "cameras.bin: .*cut short"),
    ("cameras", 12, "<i", "unknown model"),
    ("cameras", 16, "<Q", "a camera of 1152921504606846976x30 pixels"),
    ("images", 0, "<Q", "images.bin: .*cut short"),
    ("images", 68, "<I", "there is no camera 268435456"),
    ("images", 84, "<Q", "1152921504606846976 points of an image: cut short"),
  ],
)
def test_counts_that_colmap_s_files_do_not_hold_are_told(
  tmp_path, name, at, value, told
):
  clips.write_capture(tmp_path)
  (tmp_path / "transforms.json").unlink()
  clips.write_colmap(tmp_path / "sparse", binary=True)
  file = tmp_path / f"sparse/{name}.bin"
  data = bytearray(file.read_bytes())
  large = 1 << (28 if value == "<I" or value == "<i" else 60)
  struct.pack_into(value, data, at, large)
  file.write_bytes(data)
  with pytest.raises(InputError, match=told):
    capture.load(tmp_path, _SIZE)


@pytest.mark.parametrize("where", ["sparse/1", "distorted/sparse/0"])
def test_models_of_other_tools_are_found(tmp_path, where):
  clips.write_capture(tmp_path)
  (tmp_path / "transforms.json").unlink()
  (tmp_path / "images").rename(tmp_path / "input")
  clips.write_colmap(tmp_path / where)
  _check(capture.load(tmp_path, _SIZE))


def test_the_largest_of_several_models_is_read_and_that_is_told(tmp_path):
  clips.write_capture(tmp_path, frames=8)
  (tmp_path / "transforms.json").unlink()
  clips.write_colmap(tmp_path / "sparse/0", frames=3)
  clips.write_colmap(tmp_path / "sparse/1")
  scene = capture.load(tmp_path, _SIZE)
  _check(scene)
  text = "; ".join(scene.warnings)
  assert "sparse/1 with 6 images is read; other models are left out:" in text
  assert "sparse/0 (3)" in text and "2 images are not in the model" in text


# Frames that a source keeps from training.


def _split_lists(folder, document, **lists):
  names = {k: [f"./images/frame_{i}.png" for i in v] for k, v in lists.items()}
  clips.write_transforms(folder, {**document, **names})


@pytest.mark.parametrize(
  "lists, hidden",
  [
    ({"train_filenames": [0, 1, 3, 5]}, (2, 4)),
    ({"test_filenames": [4], "val_filenames": [1]}, (1, 4)),
    ({"train_filenames": [0, 2, 3, 4, 5], "test_filenames": [1]}, (1,)),
  ],
)
def test_listed_frames_are_held_out(tmp_path, lists, hidden):
  _split_lists(
    tmp_path / "mine", clips.write_capture(tmp_path / "mine"), **lists
  )
  builders.build(
    tmp_path / "out", capture.plan(tmp_path / "mine", "train", _OPTIONS)
  )
  assert Dataset(tmp_path / "out").scenes[0].held_out == hidden


@pytest.mark.parametrize(
  "lists, message",
  [
    ({"train_filenames": "all"}, "train_filenames: not a list of names"),
    ({"test_filenames": ["x.png"]}, "test_filenames: names no frame's"),
  ],
)
def test_lists_of_no_frame_are_refused(tmp_path, lists, message):
  clips.write_transforms(tmp_path, clips.write_capture(tmp_path) | lists)
  with pytest.raises(InputError, match=message):
    capture.load(tmp_path, _SIZE)


def test_blender_s_test_frames_are_read_and_held_out(tmp_path):
  document = clips.write_capture(tmp_path / "mine")
  folder = tmp_path / "mine"
  (folder / "transforms.json").unlink()
  frames = document.pop("frames")
  for split, numbers in (("train", (0, 1, 2, 3)), ("test", (4, 5))):
    (folder / split).mkdir()
    kept = []
    for number, i in enumerate(numbers):
      image = f"{split}/r_{number}.png"
      (folder / "images" / f"frame_{i}.png").rename(folder / image)
      kept.append({**frames[i], "file_path": f"./{image.removesuffix('.png')}"})
    angle = 2 * np.arctan(40 / 2 / 50)
    text = json.dumps({"camera_angle_x": angle, "frames": kept})
    (folder / f"transforms_{split}.json").write_text("\ufeff" + text, "utf-8")
  (folder / "images").rmdir()
  scene = capture.load(folder, _SIZE)
  assert scene.held_out == (4, 5) and _levels(scene) == list(range(6))
  np.testing.assert_allclose(
    scene.cameras.extrinsics, clips.poses(6), atol=1e-6
  )
  builders.build(tmp_path / "out", capture.plan(folder, "train", _OPTIONS))
  assert Dataset(tmp_path / "out").scenes[0].held_out == (4, 5)
  path = camera_files.from_json(folder / "transforms_test.json")
  np.testing.assert_allclose(path.extrinsics, clips.poses(6)[4:], atol=1e-6)
  np.testing.assert_allclose(path.intrinsics[0, 0, 0], 50 / 40, rtol=1e-6)


# Bad input: each is one clear line that names the file and the field.


def _remove_image(folder, document):
  (folder / "images" / "frame_3.png").unlink()


def _truncate_image(folder, document):
  path = folder / "images" / "frame_3.png"
  noise = np.random.default_rng(0).integers(0, 255, (30, 40, 3), np.uint8)
  Image.fromarray(noise).save(path.with_suffix(".jpg"), quality=95)
  path.unlink()
  data = path.with_suffix(".jpg").read_bytes()
  path.with_suffix(".jpg").write_bytes(data[: len(data) // 2])


def _empty_image(folder, document):
  (folder / "images" / "frame_3.png").write_bytes(b"")


def _nan_pose(folder, document):
  document["frames"][3]["transform_matrix"][0][3] = float("nan")


def _scaled_pose(folder, document):
  for row in document["frames"][3]["transform_matrix"][:3]:
    row[:3] = [2 * x for x in row[:3]]


def _mirrored_pose(folder, document):
  for row in document["frames"][3]["transform_matrix"][:3]:
    row[0] = -row[0]


def _no_pose(folder, document):
  del document["frames"][3]["transform_matrix"]


def _pose_of_words(folder, document):
  document["frames"][3]["transform_matrix"] = "identity"


def _no_path(folder, document):
  del document["frames"][3]["file_path"]


def _escape(folder, document):
  outside = folder.parent / "secret.png"
  shutil.copy(folder / "images" / "frame_3.png", outside)
  document["frames"][3]["file_path"] = "../secret.png"


def _same_image(folder, document):
  document["frames"][3]["file_path"] = document["frames"][2]["file_path"]


def _swapped_sides(folder, document):
  document["w"], document["h"] = document["h"], document["w"]


def _no_focal(folder, document):
  del document["fl_x"], document["fl_y"]


def _focal_nan(folder, document):
  document["fl_x"] = float("nan")


def _focal_words(folder, document):
  document["fl_x"] = "wide"


def _focal_huge(folder, document):
  document["fl_x"] = document["fl_y"] = 1e300


def _one_focal_huge(folder, document):
  document["frames"][3]["fl_x"] = 1e4


def _centre_far(folder, document):
  document["cx"] = 1e9


def _far_away(folder, document):
  document["frames"][3]["transform_matrix"][0][3] = 3e38


def _no_frames(folder, document):
  document["frames"] = []


def _one_frame(folder, document):
  document["frames"] = document["frames"][:1]


BAD = [
  (_remove_image, r"frames\[3\].file_path: image 'images/frame_3.png'"),
  (_truncate_image, r"frame_3.jpg: cannot be decoded.*truncated"),
  (_empty_image, r"frame_3.png: cannot be decoded"),
  (_nan_pose, r"frames.transform_matrix: frame 3: .*NaN"),
  (_scaled_pose, r"frames.transform_matrix: frame 3: .*not orthonormal"),
  (_mirrored_pose, r"frames.transform_matrix: frame 3: .*determinant -1"),
  (_no_pose, r"frames\[3\].transform_matrix: missing"),
  (_pose_of_words, r"frames\[3\].transform_matrix: not a matrix of numbers"),
  (_no_path, r"frames\[3\].file_path: missing"),
  (_escape, r"frames\[3\].file_path: image '../secret.png' is not in"),
  (_same_image, r"frames\[3\].file_path: .*belongs to .*frames\[2\]"),
  (_swapped_sides, r"frames\[0\]: w, h: 60x80 has another shape"),
  (_no_focal, r"frames\[0\]: fl_x"),
  (_focal_nan, r"frames\[0\]: fl_x: nan is not a positive"),
  (_focal_words, r"frames\[0\]: fl_x: 'wide' is not a"),
  (_focal_huge, r"frames\[0\]: intrinsics: focal lengths .* not from 0.01"),
  (_one_focal_huge, r"frames\[3\]: intrinsics: focal lengths .* not from"),
  (_centre_far, r"frames\[0\]: intrinsics: the principal point .* pixels"),
  (_far_away, r"frames.transform_matrix: frame 3: .* further than"),
  (_no_frames, r"transforms.json: frames: missing or empty"),
  (_one_frame, r"transforms.json: 1 usable frames, at least 2"),
]


@pytest.mark.parametrize("damage, message", BAD)
def test_a_bad_capture_is_refused_and_nothing_is_written(
  tmp_path, damage, message
):
  folder = tmp_path / "mine"
  document = clips.write_capture(folder)
  damage(folder, document)
  clips.write_transforms(folder, document)
  with pytest.raises(InputError, match=message) as caught:
    builders.build(tmp_path / "out", capture.plan(folder, "train", _OPTIONS))
  assert str(folder) in str(caught.value)
  assert not (tmp_path / "out").exists()
  if damage is not _one_frame:  # nor is it rendered
    with pytest.raises(InputError, match=message):
      capture.load(folder, _SIZE)


def test_bad_captures_of_a_folder_are_dropped_with_their_reason(tmp_path):
  for number, (damage, _) in enumerate(BAD):
    folder = tmp_path / "all" / f"scene{number:02d}"
    document = clips.write_capture(folder)
    damage(folder, document)
    clips.write_transforms(folder, document)
  clips.write_capture(tmp_path / "all" / "whole")
  (tmp_path / "all" / "nothing").mkdir()
  plan = capture.plan(tmp_path / "all", "train", _OPTIONS)
  builders.build(tmp_path / "out", plan)
  report = json.loads((tmp_path / "out" / "report.json").read_text())
  assert (report["seen"], report["kept"]) == (len(BAD) + 2, 1)
  reasons = {d["scene"]: d["reason"] for d in report["dropped"]}
  assert "no transforms.json" in reasons["nothing"]
  assert len(reasons) == len(BAD) + 1
  assert [row.key for row in Dataset(tmp_path / "out").scenes] == ["whole"]


def test_folders_without_captures_are_refused(tmp_path):
  with pytest.raises(InputError, match="no such folder"):
    capture.plan(tmp_path / "nowhere", "train", _OPTIONS)
  with pytest.raises(InputError, match=r"no transforms.json"):
    capture.plan(tmp_path, "train", _OPTIONS)
  clips.write_capture(tmp_path / "mine")
  (tmp_path / "mine" / "transforms.json").unlink()
  with pytest.raises(InputError, match=r"no transforms.json"):
    plan = capture.plan(tmp_path / "mine", "train", _OPTIONS)
    builders.build(tmp_path / "out", plan)
  for text in ("", "{", "[]", "\xff"):
    path = tmp_path / "mine" / "transforms.json"
    path.write_bytes(text.encode("latin1"))
    with pytest.raises(InputError, match=r"transforms.json"):
      capture.load(tmp_path / "mine", _SIZE)


def test_images_smaller_than_the_asked_size_are_refused(tmp_path):
  clips.write_capture(tmp_path)
  with pytest.raises(InputError, match=r"frames\[0\]: image is 40x30.*--size"):
    capture.load(tmp_path, 31)


def test_a_changed_source_is_not_taken_for_the_old_one(tmp_path):
  document = clips.write_capture(tmp_path / "mine")
  plan = capture.plan(tmp_path / "mine", "train", _OPTIONS)
  builders.build(tmp_path / "out", plan)
  document["fl_x"] += 1
  clips.write_transforms(tmp_path / "mine", document)
  changed = capture.plan(tmp_path / "mine", "train", _OPTIONS)
  with pytest.raises(InputError, match="source_sha256"):
    builders.build(tmp_path / "out", changed)


def test_a_lens_is_made_straight_with_a_note(tmp_path):
  document = clips.write_capture(tmp_path)
  clips.write_transforms(tmp_path, {**document, "k1": -0.1, "k2": 0.0})
  scene = capture.load(tmp_path, _SIZE)
  assert scene.warnings == ("6 images: lens (opencv) made straight",)
  # The barrel's edges are cut: as many rows see the same, columns less.
  focal = scene.cameras.intrinsics[0, [0, 1], [0, 1]]
  assert focal[1] == pytest.approx(52 / 30, rel=0.03)


@pytest.mark.parametrize(
  "frame", [{"camera_model": "EQUIRECTANGULAR"}, {"latlong": True}]
)
def test_a_lens_of_one_frame_that_is_no_pinholes_is_refused(tmp_path, frame):
  document = clips.write_capture(tmp_path)
  document["frames"][3].update(frame)
  clips.write_transforms(tmp_path, document)
  with pytest.raises(InputError, match=r"frames\[3\]: .*cut pinhole views"):
    capture.load(tmp_path, _SIZE)


_MAP = np.array([448262.5, 5411932.25, 120.0])


def _far_transforms(folder):
  document = clips.write_capture(folder)
  for frame in document["frames"]:
    matrix = np.array(frame["transform_matrix"])
    matrix[:3, 3] += _MAP
    frame["transform_matrix"] = matrix.tolist()
  clips.write_transforms(folder, document)


def _far_poses(folder, field):
  clips.write_capture(folder)
  frames = _poses_document()
  for i, frame in enumerate(frames):
    c2w = np.linalg.inv(frame.pop("w2c"))
    c2w[:3, 3] += _MAP
    frame[field] = (np.linalg.inv(c2w) if field == "w2c" else c2w).tolist()
    frame["file"] = f"images/frame_{i}.png"
  _write_poses(folder, frames)


@pytest.mark.parametrize(
  "write",
  [
    _far_transforms,
    lambda folder: _far_poses(folder, "c2w"),
    lambda folder: _far_poses(folder, "w2c"),
  ],
  ids=["transforms", "c2w", "w2c"],
)
def test_map_coordinates_keep_relative_poses(tmp_path, write):
  source, out = tmp_path / "mine", tmp_path / "out"
  write(source)
  scene = capture.load(source, _SIZE)
  expected = clips.poses(6)
  relative = np.linalg.inv(expected[3]) @ expected
  poses = scene.cameras.extrinsics.astype(np.float64)
  found = np.linalg.inv(poses[3]) @ poses
  np.testing.assert_allclose(found, relative, atol=1e-6)
  np.testing.assert_allclose(scene.origin, _MAP + expected[0, :3, 3], atol=1e-6)
  assert "relative to the first camera's" in scene.warnings[0]
  builders.build(out, capture.plan(source, "train", _OPTIONS))
  row = Dataset(out, "train").scenes[0]
  assert row.origin == scene.origin


def test_tagged_photos_stand_upright_with_their_cameras(tmp_path):
  document = clips.write_capture(tmp_path, width=30, height=40)
  for frame in document["frames"]:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / frame["file_path"]
    with Image.open(path) as picture:
      turned = picture.transpose(Image.Transpose.ROTATE_90)
    turned.save(path, exif=exif)
  scene = capture.load(tmp_path, None)
  assert scene.images.shape[1:3] == (40, 30) and not scene.warnings
  left, right = scene.images[0, :, 5], scene.images[0, :, 25]
  assert (left[:, 0] == 9).all() and (right[:, 0] == 0).all()
  np.testing.assert_allclose(
    np.diag(scene.cameras.intrinsics[0]), [50 / 30, 52 / 40, 1], atol=1e-6
  )


@pytest.mark.parametrize(
  "name, frames",
  [
    ("dl3dv/train/fox", 50),
    ("dl3dv/train/redkitchen", 30),
    ("dl3dv/test/re10k_018f7907401f2fef", 38),
    ("dl3dv/test/hololens_png", 10),
    ("raw/fox_full", 4),
    ("raw/hololens_full", 12),
    ("raw/redkitchen_rgbd", 20),
    ("raw/re10k_018f7907401f2fef", 189),
  ],
)
def test_real_captures_are_read_whole(name, frames):
  folder = shared_dir() / "data" / name
  if not folder.is_dir():
    pytest.skip(f"{folder} is not here")
  scene = capture.load(folder, 64)
  assert scene.images.shape == (frames, 64, 64, 3)
  encoding.check(scene, recipes.Recipe("x", "x", {}, min_frames=frames))
  assert not scene.warnings
  centres = scene.cameras.intrinsics[:, :2, 2]
  assert np.abs(centres - 0.5).max() < 0.06


def test_two_readers_agree_on_a_real_clip():
  """The clip's raw form and its nerfstudio form hold the same cameras."""
  data = shared_dir() / "data"
  name = "re10k_018f7907401f2fef"
  if not (data / "raw" / name).is_dir():
    pytest.skip(f"{data} has no {name}")
  raw = capture.load(data / "raw" / name, 64).cameras
  other = capture.load(data / "dl3dv" / "test" / name, 64).cameras

  def steps(extrinsics):
    return np.linalg.inv(extrinsics[0]) @ extrinsics

  # Every fifth frame of the video was exported.
  np.testing.assert_allclose(
    steps(raw.extrinsics[::5]), steps(other.extrinsics), atol=1e-4
  )
  np.testing.assert_allclose(raw.intrinsics[0], other.intrinsics[0], atol=4e-3)


@pytest.mark.parametrize("change", [lambda f, d: None, _no_extension])
def test_links_that_leave_the_capture_are_refused(tmp_path, change):
  folder = tmp_path / "capture"
  folder.mkdir()
  document = clips.write_capture(folder)
  change(folder, document)
  for frame in document["frames"]:  # found by its name, not by its path
    frame["file_path"] = "elsewhere/" + frame["file_path"].split("/")[-1]
  clips.write_transforms(folder, document)
  capture.load(folder, _SIZE)
  link = "images/frame_2.png"
  moved = (folder / link).rename(tmp_path / "outside")
  (folder / link).symlink_to(moved)
  with pytest.raises(InputError, match="link that leaves the capture"):
    capture.load(folder, _SIZE)
