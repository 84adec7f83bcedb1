"""The public calls: encode, render, generate, save and open again."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from scenetok_jax import Cameras, InputError, Scene, SceneTok
from scenetok_jax.geometry.scale import baseline, rescaled
from tests.cli import workdirs
from tests.geometry.poses import cameras, ring

VIEWS = 5
FRAMES = 8
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (VIEWS, 96, 128, 3), np.uint8)
CAMERAS = cameras(ring(VIEWS), 0.7)
TWO = jax.tree.map(lambda a: a[:2], CAMERAS)
PATH = cameras(ring(FRAMES), 0.9)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
  root = tmp_path_factory.mktemp("scenetok")
  first = workdirs.stage1(root / "stage1")
  return first, workdirs.stage2(root / "stage2", first)


@pytest.fixture(scope="module")
def model(folders):
  return SceneTok.from_pretrained(folders[1])


@pytest.fixture(scope="module")
def scene(model):
  return model.encode(IMAGES, CAMERAS, key="room")


@pytest.fixture(scope="module")
def video(model, scene):
  return model.render(scene, PATH)


def test_a_scene_keeps_tokens_and_the_views_that_were_read(model, scene):
  tokenizer = model.model.tokenizer
  assert scene.key == "room" and scene.tokens.dtype == np.float32
  assert scene.tokens.shape == (tokenizer.num_tokens, tokenizer.token_channels)
  count = model.config.data.num_context
  assert scene.context.extrinsics.shape == (count, 4, 4)
  np.testing.assert_array_equal(
    scene.reference, scene.context.extrinsics[count // 2]
  )
  # 64 of 85 columns are left, so that the lens grows.
  np.testing.assert_allclose(
    scene.context.intrinsics[:, 0, 0], 0.7 * 85 / 64, rtol=1e-6
  )


def test_all_views_can_be_read(model):
  scene = model.encode(IMAGES, CAMERAS, views=VIEWS)
  np.testing.assert_array_equal(scene.context.extrinsics, CAMERAS.extrinsics)


def test_views_can_be_chosen(model):
  scene = model.encode(IMAGES, CAMERAS, context=[4, 0])
  np.testing.assert_array_equal(
    scene.context.extrinsics, CAMERAS.extrinsics[[0, 4]]
  )
  alone = model.encode(
    IMAGES[[0, 4]], jax.tree.map(lambda a: a[[0, 4]], CAMERAS)
  )
  np.testing.assert_array_equal(scene.tokens, alone.tokens)
  for wrong in ([], [0, 0], [VIEWS], [-1]):
    with pytest.raises(InputError, match="context: "):
      model.encode(IMAGES, CAMERAS, context=wrong)


def test_map_coordinates_do_not_matter(model, scene):
  offset = np.zeros((4, 4))
  offset[:3, 3] = [448262.5, 5411932.25, 120.0]
  far = Cameras(CAMERAS.extrinsics + offset, CAMERAS.intrinsics)
  found = model.encode(IMAGES, far)
  np.testing.assert_allclose(found.tokens, scene.tokens, rtol=0, atol=1e-4)
  np.testing.assert_allclose(
    found.origin, CAMERAS.extrinsics[0, :3, 3] + offset[:3, 3]
  )
  path = Cameras(PATH.extrinsics + offset, PATH.intrinsics)
  near = model.render(scene, PATH, steps=1)
  there = model.render(found, path, steps=1)
  assert np.abs(near.astype(int) - there.astype(int)).max() <= 2


TRAINED = {"scenes": 9, "baseline": [1.5, 1.8, 2.0, 2.2, 2.5]}


@pytest.fixture(scope="module")
def knowing(model):
  """The model, which knows how far apart its training views were."""
  config = model.config.copy_and_resolve_references()
  with config.unlocked():
    config.scale = TRAINED
  return dataclasses.replace(model, config=config)


@pytest.mark.parametrize("factor", [0.1, 10.0, 1000.0])
def test_the_unit_does_not_matter_when_it_is_fitted(knowing, factor, capsys):
  near = knowing.encode(IMAGES, CAMERAS, rescale=True)
  far = knowing.encode(IMAGES, rescaled(CAMERAS, factor), rescale=True)
  fitted = near.scale * baseline(near.context.extrinsics)
  np.testing.assert_allclose(fitted, TRAINED["baseline"][2], rtol=1e-6)
  np.testing.assert_allclose(far.scale, near.scale / factor, rtol=1e-6)
  assert capsys.readouterr().err.count("positions are taken") == 2
  np.testing.assert_allclose(far.tokens, near.tokens, rtol=0, atol=1e-4)
  np.testing.assert_allclose(  # the user's own unit
    far.context.extrinsics[:, :3, 3],
    factor * near.context.extrinsics[:, :3, 3],
    rtol=1e-5,
  )
  given = [near, far]
  for path in (PATH, "orbit", "lateral"):
    paths = [path, path]
    if not isinstance(path, str):
      paths[1] = rescaled(path, factor)
    videos = [
      knowing.render(scene, along, frames=FRAMES, steps=1).astype(int)
      for scene, along in zip(given, paths, strict=True)
    ]
    assert np.abs(videos[0] - videos[1]).max() <= 2
    assert np.ptp(videos[0]) > 5


def test_a_factor_undoes_another_unit_exactly(model, scene, tmp_path):
  far = model.encode(IMAGES, rescaled(CAMERAS, 8.0), key="room", rescale=0.125)
  np.testing.assert_array_equal(far.tokens, scene.tokens)
  far.save(tmp_path / "far.tok")
  found = Scene.load(tmp_path / "far.tok")
  assert found.scale == 0.125 and scene.scale == 1.0
  video = model.render(found, rescaled(PATH, 8.0), steps=1)
  np.testing.assert_array_equal(video, model.render(scene, PATH, steps=1))


def test_another_scale_than_in_training_is_told(knowing, model, capsys):
  size = baseline(model.encode(IMAGES, CAMERAS).context.extrinsics)
  assert not capsys.readouterr().err  # this model knows nothing
  for apart, told in ((1.6, 0), (0.9, 1), (2.6, 0), (30.0, 1)):
    knowing.encode(IMAGES, rescaled(CAMERAS, apart / size), key="room")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == told
    if told:
      assert lines[0].startswith(f"scene room: views are {apart:g} apart, ")
      assert "2 (1.5 to 2.5; medians)" in lines[0]
      assert f"--rescale takes positions {2 / apart:.3g} times" in lines[0]
  knowing.encode(IMAGES, CAMERAS, rescale=1.0)  # silences it
  assert not capsys.readouterr().err


def test_what_tells_no_scale_is_refused(knowing, model):
  with pytest.raises(InputError, match="--rescale: the model does not say"):
    model.encode(IMAGES, CAMERAS, rescale=True)
  still = Cameras(np.tile(np.eye(4), (VIEWS, 1, 1)), CAMERAS.intrinsics)
  with pytest.raises(InputError, match="scene room: --rescale: the views are"):
    knowing.encode(IMAGES, still, rescale=True, key="room")
  for factor in (0.0, -1.0, np.nan, np.inf, 1e9):
    with pytest.raises(InputError, match=r"--rescale: .* is not a factor"):
      model.encode(IMAGES, CAMERAS, rescale=factor)


def test_new_scenes_do_not_depend_on_the_unit(knowing, capsys):
  def new(factor, rescale):
    return knowing.generate(
      IMAGES[:2], rescaled(TWO, factor), rescaled(PATH, factor), steps=1,
      rescale=rescale,
    )  # fmt: skip

  near, far = new(1.0, True), new(10.0, True)
  assert capsys.readouterr().err.count("anchors: positions are taken") == 2
  np.testing.assert_allclose(far.tokens, near.tokens, rtol=0, atol=1e-4)
  np.testing.assert_allclose(far.scale, near.scale / 10, rtol=1e-6)
  new(10.0, False)
  assert "anchors: views are" in capsys.readouterr().err
  knowing.generate(IMAGES[:1], jax.tree.map(lambda a: a[:1], TWO), steps=1)
  assert not capsys.readouterr().err  # a motion is as long as it is


def test_the_scale_of_training_stays_with_the_model(knowing, tmp_path):
  knowing.save_pretrained(tmp_path / "out")
  found = SceneTok.from_pretrained(tmp_path / "out")
  assert found.config.scale.to_dict() == TRAINED
  file = tmp_path / "out/config.json"
  stored = json.loads(file.read_text())
  for wrong in (5, [], {"scenes": 1}, {**TRAINED, "baseline": [1.0]}):
    file.write_text(json.dumps({**stored, "scale": wrong}))
    with pytest.raises(InputError, match=r"config\.json: scale: "):
      SceneTok.from_pretrained(tmp_path / "out")


def test_the_frame_of_reference_does_not_matter(model, scene):
  moved = np.eye(4, dtype=np.float32)
  moved[:3, 3] = [3, -2, 1]
  other = Cameras(moved @ CAMERAS.extrinsics, CAMERAS.intrinsics)
  found = model.encode(IMAGES, other)
  np.testing.assert_allclose(found.tokens, scene.tokens, rtol=0, atol=1e-4)


def test_a_video_has_a_frame_for_each_camera(model, scene, video):
  size = model.model.image_size
  assert video.shape == (FRAMES, size, size, 3) and video.dtype == np.uint8
  named = model.render(scene, "orbit", frames=FRAMES, degrees=90, steps=1)
  assert named.shape == video.shape


def test_the_second_call_compiles_nothing(model, scene, video, compilations):
  again = model.render(scene, PATH)
  model.encode(IMAGES, CAMERAS)
  assert not compilations
  np.testing.assert_array_equal(again, video)


def test_samples_and_scenes_are_a_batch(model, scene):
  told = []
  found = model.render_batch(
    [scene, scene], PATH, samples=2, progress=lambda *a: told.append(a)
  )
  assert found.shape[:3] == (2, 2, FRAMES)
  assert (found[0, 0] != found[0, 1]).any()
  assert told[0][0] == 0 and told[-1][0] == told[-1][1]


def test_a_scene_file_renders_the_same(model, scene, video, tmp_path):
  scene.save(tmp_path / "room.tok")
  again = Scene.load(tmp_path / "room.tok")
  np.testing.assert_array_equal(model.render(again, PATH), video)


def test_a_new_scene_follows_its_anchors(model):
  new = model.generate(IMAGES[:2], TWO, "look", steps=2)
  assert len(new.context.extrinsics) == model.config.generation.anchors
  np.testing.assert_array_equal(new.reference, CAMERAS.extrinsics[0])
  assert len(model.render(new, steps=1)) == 48
  other = model.generate(IMAGES[:2], TWO, "look", steps=2, seed=1)
  assert (other.tokens != new.tokens).any()


def test_saved_exactly_it_is_the_same_model(model, scene, video, tmp_path):
  folder = model.save_pretrained(tmp_path / "exact", storage="float32")
  again = SceneTok.from_pretrained(folder)
  assert (again.digest, again.step) == (model.digest, model.step)
  np.testing.assert_array_equal(again.render(scene, PATH), video)
  with pytest.raises(InputError, match="exists; delete it"):
    model.save_pretrained(folder)
  small = model.save_pretrained(tmp_path / "small")
  size, exact = (
    (path / "params.safetensors").stat().st_size for path in (small, folder)
  )
  assert size < 0.75 * exact  # in a model this narrow scales weigh much


def test_a_scene_of_another_model_is_refused(model, scene):
  other = dataclasses.replace(scene, model="0" * 64)
  with pytest.raises(InputError, match="scene room: model: made by another"):
    model.render(other, PATH)


def test_too_many_images_are_refused(model):
  four = jax.tree.map(lambda a: a[:4], CAMERAS)
  with pytest.raises(
    InputError, match="4 given views; this generator reads 1 to 3"
  ):
    model.generate(IMAGES[:4], four)


def test_a_stage_1_model_generates_nothing(folders):
  first = SceneTok.from_pretrained(folders[0])
  with pytest.raises(InputError, match="generating needs a stage-2"):
    first.generate(IMAGES[:1], jax.tree.map(lambda a: a[:1], CAMERAS))


def test_tokens_that_are_not_finite_are_refused(model):
  spoilt = {**model.params, "tokenizer": jax.tree.map(
    lambda x: x * np.float32("nan"), model.params["tokenizer"]
  )}  # fmt: skip
  broken = dataclasses.replace(model, params=spoilt)
  with pytest.raises(InputError, match="scene room: tokens: NaN or Inf"):
    broken.encode(IMAGES, CAMERAS, key="room")


BROKEN = CAMERAS.extrinsics.copy()
BROKEN[2, 0, 3] = np.nan


@pytest.mark.parametrize(
  ("images", "given", "message"),
  [
    (IMAGES[:4], CAMERAS, "cameras: 5 for 4 images"),
    (IMAGES / 255, CAMERAS, r"view 0: float64 .* is not uint8 \[H W 3\]"),
    (IMAGES[..., 0], CAMERAS, r"view 0: uint8 \[96, 128\] is not"),
    (IMAGES[:, :32], CAMERAS, "view 0: 128x32 pixels are fewer than"),
    (IMAGES[:0], jax.tree.map(lambda a: a[:0], CAMERAS), "images: none"),
    (
      IMAGES,
      dataclasses.replace(CAMERAS, extrinsics=BROKEN),
      "cameras: extrinsics: frame 2: the pose holds NaN",
    ),
    (
      IMAGES,
      dataclasses.replace(CAMERAS, intrinsics=CAMERAS.intrinsics * 100),
      "are these pixels",
    ),
    (
      IMAGES,
      jax.tree.map(lambda a: a[None], CAMERAS),
      r"extrinsics: shape \[1, 5, 4, 4\] is not",
    ),
  ],
)
def test_what_makes_no_sense_is_told_in_a_line(model, images, given, message):
  with pytest.raises(InputError, match=message) as caught:
    model.encode(images, given)
  assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
  ("path", "options", "message"),
  [
    ("fly", {}, "'fly' is not one of"),
    ("orbit", {"seed": 2**32}, "seed: 4294967296 is not from 0 to 4294967295"),
    ("orbit", {"seed": -1}, "seed: -1 is not from"),
    ("orbit", {"seed": 2**70}, "seed: 1180591620717411303424 is not"),
    ("orbit", {"frames": 3}, "3 frames are fewer than one window of 6"),
    ("orbit", {"steps": 0}, "steps: 0 must be at least 1"),
    ("orbit", {"solver": "rk4"}, "solver: 'rk4' is not one of"),
    ("clip", {}, "a scene file holds no clip"),
    (Cameras(BROKEN, CAMERAS.intrinsics), {}, "path: extrinsics: frame 2"),
    ("dolly", {"distance": 1e38}, "path: extrinsics: frame 1: the position"),
  ],
)
def test_a_path_that_makes_no_sense_is_refused(
  model, scene, path, options, message
):
  with pytest.raises(InputError, match=message):
    model.render(scene, path, **options)


@pytest.mark.parametrize(
  "field, value",
  [("attention", None), ("decoder", 7), ("a.b", 1), ("tokenizer", {})],
)
def test_a_stored_configuration_of_other_fields_is_named(
  tmp_path, field, value
):
  folder = workdirs.stage1(tmp_path)
  file = folder / "config.json"
  file.write_text(json.dumps(json.loads(file.read_text()) | {field: value}))
  with pytest.raises(InputError):
    SceneTok.from_pretrained(folder)
  file.write_text("{}")
  with pytest.raises(InputError, match="not a configuration of a model"):
    SceneTok.from_pretrained(folder)
