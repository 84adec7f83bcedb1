"""codec-check: parts equal the whole, scores are right, bad input is told."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from data_pipelines.rooms import render_clip
from scenetok_jax import console
from scenetok_jax.cli import codec_check
from scenetok_jax.codecs import check, va_vae
from scenetok_jax.codecs.api import get_codec
from scenetok_jax.codecs.check import RoundTrip
from scenetok_jax.codecs.convert import codec_network
from scenetok_jax.codecs.weights import Manifest, save_weights
from scenetok_jax.media import (
  read_image,
  read_video,
  write_frames,
  write_mp4,
  write_png,
)
from scenetok_jax.types import InputError
from tests.codecs.video_nets import TINY, drawn
from tests.networks import normals, quick_jit


@pytest.fixture(scope="module")
def clip() -> np.ndarray:
  """A room, uint8 [10 32 32 3]."""
  return render_clip(0, 0, 10, 32).images


@pytest.mark.parametrize(
  ("options", "kept"),
  [({"frames_per_latent": 1}, 10), ({"frames_per_latent": 4}, 8)],
)
def test_parts_equal_the_whole(clip, options, kept):
  """Ten frames in parts of eight, the last one filled up."""
  codec = get_codec("block_dct", spatial=16, channels=64, **options)
  parts = list(RoundTrip(codec).parts(clip))
  assert all(len(part) <= codec.frames_at_once for part in parts)
  found = np.concatenate(parts)
  images = clip[None, :kept].astype(np.float32) / 255.0
  expected = np.asarray(quick_jit(codec.round_trip)(images))[0] * 255.0
  assert found.shape == (kept, 32, 32, 3)
  assert np.abs(found - expected).max() <= 0.51  # rounding to uint8


def test_frames_that_fill_no_latent_are_refused(clip):
  codec = get_codec("block_dct", spatial=16, channels=64, frames_per_latent=16)
  with pytest.raises(InputError, match=r"10 frames do not fill .* give 16"):
    RoundTrip(codec)(clip)


def test_a_size_that_the_factor_does_not_divide_is_refused(clip):
  codec = get_codec("block_dct", spatial=24, channels=64)
  with pytest.raises(InputError, match=r"32 x 32 pixels .* factor 24; resize"):
    RoundTrip(codec)(clip)


def check_codec(*arguments: str) -> int:
  return console.run(codec_check.main, arguments, "codec-check")


BLOCK = ("--codec=block_dct", "--spatial=16", "--channels=64")


def test_a_video_is_scored_and_shown(clip, tmp_path):
  write_mp4(tmp_path / "in.mp4", clip, min_size=0)
  out = tmp_path / "out"
  code = check_codec(
    str(tmp_path / "in.mp4"),
    *BLOCK,
    f"--json={tmp_path / 'scores.json'}",
    f"--out={out}",
    "--frames=9",
  )
  assert code == 0
  found = json.loads((tmp_path / "scores.json").read_text())
  truth = read_video(tmp_path / "in.mp4")
  assert truth.shape == clip.shape
  codec = get_codec("block_dct", spatial=16, channels=64)
  decoded = RoundTrip(codec)(truth[:9])
  error = (decoded / 255.0 - truth[:9] / 255.0) ** 2
  expected = np.mean(-10 * np.log10(error.mean(axis=(1, 2, 3))))
  assert found["psnr"] == pytest.approx(expected, abs=1e-3)
  assert 0 < found["ssim"] < 1
  assert found["frames"] == len(found["per_frame"]["psnr"]) == 9
  assert (out / "contact_sheet.png").is_file()
  assert read_video(out / "round_trip.mp4").shape[0] == 9


def test_all_coefficients_lose_nothing_and_more_keep_more(clip, tmp_path):
  write_frames(tmp_path / "images", clip[:2])
  scores = []
  for channels in (8, 64, 768):
    path = tmp_path / f"{channels}.json"
    code = check_codec(
      str(tmp_path / "images"),
      "--codec=block_dct",
      f"--channels={channels}",
      f"--json={path}",
    )
    assert code == 0
    # Identical images have no finite PSNR: null in JSON.
    scores.append(json.loads(path.read_text())["psnr"])
  assert scores[0] < scores[1]
  assert scores[2] is None


def test_images_of_several_sizes_are_coded_alone(clip, tmp_path):
  write_png(tmp_path / "a.png", clip[0])
  write_png(tmp_path / "b.png", clip[1, :16])
  paths = (str(tmp_path / "a.png"), str(tmp_path / "b.png"))
  assert check_codec(*paths, *BLOCK) == 0


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    (("--codec=va_vae",), "--weights: va_vae needs the folder"),
    (
      ("--codec=wan_vae", "--spatial=16"),
      "--spatial: is of codecs without weights",
    ),
    ((*BLOCK, "--spatial=24"), "32 x 32 pixels are not multiples"),
    ((*BLOCK, "--size=64"), "smaller than the asked 64x64"),
    ((*BLOCK, "--frames-per-latent=4"), "1 frames do not fill a latent"),
  ],
)
def test_bad_arguments_exit_with_2(clip, tmp_path, capsys, arguments, message):
  write_png(tmp_path / "a.png", clip[0])
  assert check_codec(str(tmp_path / "a.png"), *arguments) == 2
  error = capsys.readouterr().err
  assert message in error
  assert error.count("\n") == 1


def test_unreadable_inputs_exit_with_2(tmp_path, capsys):
  (tmp_path / "bad.mp4").write_bytes(b"not a video")
  (tmp_path / "empty").mkdir()
  for name, message in (
    ("bad.mp4", "video cannot be read"),
    ("empty", "holds no images"),
    ("none.png", "no such image"),
  ):
    assert check_codec(str(tmp_path / name), *BLOCK) == 2
    assert message in capsys.readouterr().err


def test_a_converted_codec_is_checked(clip, tmp_path):
  """The whole path of a published codec, with a small seeded network."""
  fields = {
    "width": 4,
    "multipliers": (1, 1),
    "blocks": 1,
    "attention": (),
    "groups": 2,
    "latent_channels": 32,
  }
  shapes = va_vae.network(**fields).shapes()
  leaves, tree = jax.tree.flatten(shapes)
  params = tree.unflatten(
    [0.1 * normals(i, *leaf.shape) for i, leaf in enumerate(leaves)]
  )
  save_weights(tmp_path / "codec", Manifest("va_vae", fields), params)
  write_frames(tmp_path / "images", clip[:3])
  path = tmp_path / "scores.json"
  code = check_codec(
    str(tmp_path / "images"),
    "--codec=va_vae",
    f"--weights={tmp_path / 'codec'}",
    "--frames-at-once=2",
    f"--json={path}",
    f"--out={tmp_path / 'out'}",
  )
  assert code == 0
  assert (tmp_path / "out" / "contact_sheet.png").is_file()
  network = va_vae.network(**fields)

  @quick_jit
  def expected(params, images):
    latents = network.encode(params, 2.0 * images - 1.0).mean
    return jnp.clip(network.decode(params, latents) / 2 + 0.5, 0, 1)

  images = clip[:3].astype(np.float32) / 255.0
  decoded = np.round(np.asarray(expected(params, images)) * 255) / 255
  error = np.mean((decoded - images) ** 2, axis=(1, 2, 3))
  found = json.loads(path.read_text())
  np.testing.assert_allclose(
    found["per_frame"]["psnr"], -10 * np.log10(error), atol=0.02
  )


def test_a_video_codec_is_checked_on_a_video(tmp_path):
  """Frames that fill no chunk of 17 are left out, and told."""
  params = drawn(codec_network("wan_vae", TINY["wan_vae"]).shapes())
  manifest = Manifest("wan_vae", TINY["wan_vae"])
  save_weights(tmp_path / "codec", manifest, params)
  clip = render_clip(0, 0, 18, 32).images
  write_mp4(tmp_path / "in.mp4", clip, min_size=0)
  out, path = tmp_path / "out", tmp_path / "scores.json"
  code = check_codec(
    str(tmp_path / "in.mp4"),
    "--codec=wan_vae",
    f"--weights={tmp_path / 'codec'}",
    f"--json={path}",
    f"--out={out}",
  )
  assert code == 0
  found = json.loads(path.read_text())
  assert (found["frames"], found["frames_left_out"]) == (17, 1)
  assert np.isfinite(found["per_frame"]["psnr"]).all()
  assert found["size"] == [32, 32]
  sheet = read_image(out / "contact_sheet.png")
  assert sheet.shape[1] > 4 * 32 and np.std(sheet) > 1
  both = read_video(out / "round_trip.mp4")
  assert both.shape[0] == 17 and both.shape[2] == 2 * both.shape[1]


def test_a_coupled_codec_decodes_part_by_part(clip, monkeypatch):
  """Encoded whole; fewer frames may come back than went in."""
  codec = get_codec("video_dc_ae")
  assert codec.coupled and codec.grouping.unit_frames == 4
  parts = [jnp.zeros((1, 5, 32, 32, 3)), jnp.ones((1, 2, 32, 32, 3))]
  seen = []

  def encode(params, images, key):
    seen.append(images.shape)
    return images[:, ::4, ::32, ::32]

  monkeypatch.setitem(codec.__dict__, "encode", encode)
  monkeypatch.setitem(
    codec.__dict__, "decode_parts", lambda params, latents: iter(parts)
  )
  found = check.RoundTrip(codec, {"any": np.zeros(1)})(clip)
  assert seen == [(1, 8, 32, 32, 3)]
  assert found.shape == (7, 32, 32, 3)
  assert found[:5].max() == 0 and found[5:].min() == 255


@pytest.mark.parametrize("coupled", [False, True])
@pytest.mark.parametrize("where", ["encode", "decode"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_names_its_frames(clip, where, value, coupled):
  codec = get_codec("block_dct", spatial=16, channels=64)

  def spoil(*arguments):
    made = getattr(codec, where)(*arguments)
    return made.at[0, -1, 0, 0, 0].set(value)

  spoilt = dataclasses.replace(codec, coupled=coupled, **{where: spoil})
  with pytest.raises(InputError, match=r"frames 0 to 7: .*block_dct.* NaN"):
    RoundTrip(spoilt)(clip)
