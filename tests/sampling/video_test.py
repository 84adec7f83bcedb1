"""A video is the same in slices, after an interruption and on any devices."""

import dataclasses

import jax
import numpy as np
import pytest

from scenetok_jax.flow.solvers import SolverState
from scenetok_jax.parallel.mesh import sampling_mesh
from scenetok_jax.parallel.rules import place_params
from scenetok_jax.sampling.options import RenderOptions
from scenetok_jax.sampling.render import render_latents, video_noise
from scenetok_jax.sampling.slices import StateFile
from scenetok_jax.sampling.video import VideoProgram, render_video, video_plan
from scenetok_jax.types import InputError
from tests import networks
from tests.sampling.models import tiny, tiny_config, tokens

OPTIONS = RenderOptions.of(tiny_config().sampling)
FRAMES = 8
KEY = jax.random.key(3)


@pytest.fixture(scope="module")
def program():
  return VideoProgram(tiny()[0], OPTIONS)


def render(program, scenes=1, **options):
  model, params = tiny()
  return render_video(
    program,
    params,
    tokens(model, scenes),
    networks.cameras(3, scenes, FRAMES),
    KEY,
    **options,
  )


def test_slices_equal_one_scan(program):
  model, params = tiny()
  noise = video_noise(model, KEY, 1, FRAMES)
  latents = networks.quick_jit(
    lambda params, *arrays: render_latents(model, params, *arrays, OPTIONS)
  )(params, tokens(model, 1), networks.cameras(3, 1, FRAMES), noise)
  images = model.target_codec.decode({}, latents)
  expected = np.round(np.asarray(images) * 255.0).astype(int)
  found = render(program)
  assert found.shape == (1, 1, FRAMES, 64, 64, 3)
  # Rounding to bytes may tip by one.
  assert np.abs(found[:, 0].astype(int) - expected).max() <= 1


def test_an_interrupted_video_is_continued(program, tmp_path):
  state = tmp_path / "state.safetensors"
  whole, done = render(program), []

  def interrupt(steps, total):
    done.append(steps)
    if steps:
      raise KeyboardInterrupt

  with pytest.raises(KeyboardInterrupt):
    render(program, progress=interrupt, state=state)
  assert state.is_file()
  rest = []
  again = render(program, progress=lambda *told: rest.append(told), state=state)
  np.testing.assert_array_equal(again, whole)
  total = video_plan(tiny()[0], OPTIONS, FRAMES).steps
  assert rest[0] == (done[-1], total) and rest[-1] == (total, total)
  assert 0 < done[-1] < total


@pytest.mark.parametrize("changed", ["identity", "codec"])
def test_another_networks_video_is_not_continued(program, tmp_path, changed):
  state, (model, params) = tmp_path / "state.safetensors", tiny()

  def interrupt(steps, total):
    if steps:
      raise KeyboardInterrupt

  with pytest.raises(KeyboardInterrupt):
    render(program, progress=interrupt, state=state, identity="ours")
  if changed == "codec":
    codec = dataclasses.replace(
      model.target_codec, load=lambda: {"other": np.ones(1, np.float32)}
    )
    other = dataclasses.replace(model, target_codec=codec)
    program = VideoProgram(other, OPTIONS)
  done = []
  render_video(
    program,
    params,
    tokens(model, 1),
    networks.cameras(3, 1, FRAMES),
    KEY,
    progress=lambda *told: done.append(told),
    state=state,
    identity="another" if changed == "identity" else "ours",
  )
  total = video_plan(model, OPTIONS, FRAMES).steps
  assert done[0] == (0, total) and done[-1] == (total, total)


def test_decoding_holds_one_part_at_a_time(program):
  model, _ = tiny()
  latents = networks.normals(0, 1, 2 * model.target_codec.frames_at_once, 2, 2)
  channels = np.repeat(latents[..., None], model.target_codec.channels, -1)
  parts = list(program.decode({}, channels))
  assert len(parts) == 2
  whole = np.asarray(model.target_codec.decode({}, channels)) * 255.0
  found = np.concatenate(parts, axis=1).astype(float)
  assert np.abs(found - whole).max() <= 0.51


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_video_that_is_not_finite_is_refused(program, tmp_path, value):
  model, params = tiny()
  spoilt = tokens(model, 2).copy()
  spoilt[1] = value
  state = tmp_path / "state.safetensors"
  for told in ("scene b: latent 0 ", "damaged .NaN or Inf.; delete it"):
    with pytest.raises(InputError, match=told):
      render_video(
        program,
        params,
        spoilt,
        networks.cameras(3, 2, FRAMES),
        KEY,
        state=state,
        names=["a", "b"],
      )


def test_a_frame_that_is_not_finite_is_refused(program, monkeypatch):
  model, _ = tiny()
  parts = np.zeros((2, 1, 4, 2, 2, 3), np.float32)
  parts[1, 0, 2, 1, 1, 0] = np.nan
  codec = dataclasses.replace(model.target_codec, decode=None)
  monkeypatch.setattr(
    type(codec), "decode_parts", lambda codec, params, latents: iter(parts)
  )
  latents = np.zeros((1, 8, 2, 2, 3), np.float32)
  with pytest.raises(InputError, match="video 0: frame 6 "):
    list(program.decode({}, latents))


def test_the_state_of_another_video_is_not_continued(program, tmp_path):
  state = tmp_path / "state.safetensors"
  whole = render(program)
  StateFile(state, "another").save(SolverState(np.zeros(3, np.float32)), 2)
  np.testing.assert_array_equal(render(program, state=state), whole)


def test_a_damaged_state_says_what_to_do(program, tmp_path):
  state = tmp_path / "state.safetensors"
  state.write_bytes(b"not a state")
  with pytest.raises(InputError, match=r"damaged .* delete it to start over"):
    render(program, state=state)


def test_samples_differ_and_repeat_with_the_seed(program):
  first, again = (render(program, samples=2) for _ in range(2))
  np.testing.assert_array_equal(first, again)
  assert np.abs(first[0, 0].astype(int) - first[0, 1]).max() > 10


def test_eight_devices_render_what_one_does():
  model, params = tiny()
  options = dataclasses.replace(OPTIONS, solver="dpm2", guidance=2.0)
  latents = []

  def keep_latents(program):
    def decode(codec, x, names):
      latents.append(np.asarray(x))
      yield np.zeros((len(x), 1), np.uint8)

    program.decode = decode
    return program

  with jax.default_matmul_precision("highest"):
    # Four videos on eight devices: pairs share one by heads. One: all do, but
    # eight devices do not divide its heads.
    for scenes, samples in ((2, 2), (1, 1)):
      for mesh in (None, sampling_mesh(scenes * samples)):
        placed = params if mesh is None else place_params(params, mesh)
        context = (
          jax.set_mesh(mesh)
          if mesh
          else jax.default_matmul_precision("highest")
        )
        with context:
          render_video(
            keep_latents(VideoProgram(model, options)),
            placed,
            tokens(model, scenes),
            networks.cameras(3, scenes, FRAMES),
            KEY,
            samples=samples,
          )
      networks.assert_same({"x": latents[-1]}, {"x": latents[-2]})
  assert sampling_mesh(8).shape["data"] == 8
  assert sampling_mesh(1).shape["sequence"] == 8


def test_a_path_shorter_than_a_window_is_refused():
  with pytest.raises(InputError, match="5 frames are fewer than one window"):
    video_plan(tiny()[0], OPTIONS, 5)


def test_the_pyramid_renders_a_video(program):
  options = dataclasses.replace(
    OPTIONS, sampler="pyramid", uncertainty_scale=2, steps=4
  )
  assert video_plan(tiny()[0], options, FRAMES).steps > 2 * options.steps
  found = render(program, options=options)
  # Nothing stays noise, and the frames are others than full_sequence's.
  difference = found.astype(int) - render(program)
  assert 1 < np.abs(difference).mean() < 64
