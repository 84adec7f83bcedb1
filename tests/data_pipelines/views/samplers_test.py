"""View samplers: the release's choices, and what every choice satisfies."""

import dataclasses

import ml_collections
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_pipelines.views.samplers import ViewSampler
from scenetok_jax.geometry.latent_frames import Grouping
from scenetok_jax.parity.case import read_case
from scenetok_jax.parity.data import view_samplers
from scenetok_jax.types import InputError
from tests.data_pipelines import clips
from tests.goldens import case_dir

_POSES = clips.poses(150)


@pytest.mark.parametrize(
  "name", ["view_samplers", "view_samplers_cond", "view_samplers_edges"]
)
def test_recorded_draws_give_the_recorded_views(name):
  case = read_case(case_dir(name))
  found = view_samplers(case)  # every draw in its place, and none more
  for output, expected in case.outputs.items():
    np.testing.assert_array_equal(found[output], expected)


def test_draws_that_the_release_does_not_make_are_told():
  case = read_case(case_dir("view_samplers_edges"))
  run = case.config["random"][2]  # one possible gap: nothing is drawn
  for draws, message in (
    ([["randint", 36], *run["draws"]], "randint is recorded where choice"),
    ([*run["draws"], ["randint", 0]], "1 recorded that are not made"),
    ([["randint", 99], *run["draws"][1:]], "99 is recorded where one of 0"),
  ):
    case.config["random"] = [run | {"draws": draws}]
    with pytest.raises(InputError, match=message):
      view_samplers(case)


@st.composite
def _samplers(draw, name):
  chunked = draw(st.booleans())
  chunks = draw(st.integers(1, 3))
  unit = 5 if chunked else draw(st.integers(1, 3))
  return ViewSampler(
    name=name,
    num_context=draw(st.integers(1, 6)),
    num_targets=chunks * unit,
    num_conditions=draw(st.integers(0, 3)),
    grouping=Grouping(4 if chunked else draw(st.sampled_from([1, 4])), chunked),
    gap=5 if chunked else draw(st.integers(1, 5)),
    chunks=chunks,
    chunk_probability=draw(st.sampled_from([0.0, 0.5, 1.0])),
    full_range=draw(st.booleans()),
    context=draw(st.sampled_from(["farthest_point", "uniform"])),
    initial_context_gap=(60, 65),
    final_context_gap=(70, 90),
    warmup_steps=10,
  )


def _check_common(sampler, choice, frames):
  assert len(np.unique(choice.context)) == sampler.num_context
  assert (np.diff(choice.context) > 0).all()
  assert choice.context.min() >= 0 and choice.context.max() < frames
  assert choice.target.min() >= 0 and choice.target.max() < frames
  assert len(choice.latents) == sampler.num_targets
  grouping = sampler.grouping
  per_latent = grouping.frames_per_latent
  covered = grouping.frame_to_latent(choice.target)
  # The frames of a latent are all there, in the order of the latents.
  if grouping.chunked:
    runs = covered[np.flatnonzero(np.diff(covered, prepend=-1))]
    np.testing.assert_array_equal(runs, choice.latents)
  elif per_latent > 1:
    # Runs closer than their length share latents, as in the release.
    expected = np.repeat(choice.latents, per_latent)
    np.testing.assert_array_equal(covered, expected)
  else:
    np.testing.assert_array_equal(choice.target, choice.latents)
  assert len(choice.target) == grouping.frames(sampler.num_targets)
  breaks = np.flatnonzero(np.diff(choice.latents) != 1)
  starts = choice.latents[[0, *(breaks + 1)]]
  assert (starts % sampler.gap == 0).all()
  assert len(choice.condition) == sampler.num_conditions
  assert len(np.unique(choice.condition)) == sampler.num_conditions
  if sampler.num_conditions:
    assert choice.condition[0] in choice.context


@settings(max_examples=80, deadline=None)
@given(sampler=_samplers("unbounded"), seed=st.integers(0, 999))
def test_unbounded_choices_are_well_formed(sampler, seed):
  frames = 90
  rng = np.random.default_rng(seed)
  choice = sampler.sample(rng, _POSES[:frames])
  _check_common(sampler, choice, frames)


@settings(max_examples=80, deadline=None)
@given(
  sampler=_samplers("bounded"),
  seed=st.integers(0, 999),
  step=st.integers(0, 20),
)
def test_bounded_choices_stay_in_their_interval(sampler, seed, step):
  sampler.check_frames(len(_POSES))  # promises that no draw fails
  rng = np.random.default_rng(seed)
  choice = sampler.sample(rng, _POSES, step)
  _check_common(sampler, choice, len(_POSES))
  low, high = sampler.context_gap(step, len(_POSES))
  if sampler.num_context < 2:
    return
  left, right = choice.context[0], choice.context[-1]
  assert low <= right - left <= high
  # Targets start at the floored left end and stop before the floored right.
  slack = sampler.gap * sampler.grouping.frames_per_latent + 17
  assert choice.target.min() >= left - slack
  assert choice.target.max() <= right


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 99))
def test_equal_draws_give_equal_views(seed):
  sampler = ViewSampler(num_conditions=3, chunks=2, chunk_probability=0.5)
  first, second = (
    sampler.sample(np.random.default_rng(seed), _POSES) for _ in range(2)
  )
  for field in dataclasses.fields(first):
    np.testing.assert_array_equal(
      getattr(first, field.name), getattr(second, field.name)
    )


def test_full_range_reaches_the_last_frames():
  for full_range in (False, True):
    sampler = ViewSampler(
      num_context=2,
      num_targets=4,
      grouping=Grouping(1),
      gap=1,
      chunks=4,
      full_range=full_range,
    )
    rng = np.random.default_rng(0)
    seen = np.concatenate(
      [sampler.sample(rng, _POSES[:12]).target for _ in range(99)]
    )
    assert set(seen) == set(range(12 if full_range else 9))


def test_uneven_runs_are_cut_as_in_the_release_or_fewer():
  """3 of 4 wanted starts: the release takes 3 runs of 2 of its 8 latents."""
  for uneven, runs in ((True, (3, 2)), (False, (2, 4))):
    sampler = ViewSampler(num_context=2, chunks=4, uneven=uneven)
    choice = sampler.sample(np.random.default_rng(0), _POSES[:64])
    assert len(choice.latents) == runs[0] * runs[1]
    assert sorted(choice.latents[:: runs[1]] % 4) == [0] * runs[0]


def test_context_gap_grows_linearly_and_stops():
  sampler = ViewSampler(
    name="bounded",
    initial_context_gap=(48, 64),
    final_context_gap=(64, 96),
    warmup_steps=30_000,
  )
  limits = [
    sampler.context_gap(step, 500)
    for step in (0, 15_000, 29_999, 30_000, 10**7)
  ]
  assert limits == [(48, 64), (56, 80), (63, 95), (64, 96), (64, 96)]
  assert sampler.context_gap(None, 500) == (64, 96)
  assert sampler.context_gap(0, 60) == (48, 59)
  assert sampler.context_gap(0, 40) == sampler.context_gap(None, 40) == (39, 39)


def test_margin_warms_up_and_widens_the_targets():
  sampler = ViewSampler(
    name="bounded",
    num_context=2,
    num_targets=1,
    grouping=Grouping(1),
    gap=1,
    final_context_gap=(20, 20),
    initial_margin=0,
    margin=20,
    margin_warmup_steps=10,
  )
  rng = np.random.default_rng(0)
  reach = []
  for step in (0, 5, 10):
    choices = [sampler.sample(rng, _POSES, step) for _ in range(200)]
    before = [c.context[0] - c.target[0] for c in choices]
    after = [c.target[0] - c.context[-1] for c in choices]
    reach.append((max(before), max(after)))
  assert reach == [(0, -1), (10, 9), (20, 19)]


@pytest.mark.parametrize(
  "changes, field",
  [
    ({"num_context": 91}, "num_context"),
    ({"num_targets": 30}, "num_targets"),
    ({"num_targets": 8, "target_clips": 3}, "num_targets"),
    ({"num_conditions": 95}, "num_conditions"),
    ({"name": "bounded", "num_targets": 20}, "initial_context_gap"),
  ],
)
def test_short_clips_are_refused_naming_the_field(changes, field):
  sampler = ViewSampler(**changes)
  with pytest.raises(InputError, match=rf"data\.(view_sampler\.)?{field}"):
    sampler.check_frames(90)


def test_intervals_that_are_too_narrow_are_refused_before_training():
  release = ViewSampler(
    name="bounded",
    num_context=16,
    initial_context_gap=(48, 64),
    warmup_steps=30_000,
  )
  release.check_frames(150)
  dataclasses.replace(
    release, grouping=Grouping(4, True), gap=5, num_targets=10
  ).check_frames(150)
  for changes in ({"num_targets": 16}, {"num_context": 60}):
    narrow = dataclasses.replace(release, **changes)
    with pytest.raises(InputError, match=r"initial_context_gap.*widen"):
      narrow.check_frames(150)


@settings(max_examples=40, deadline=None)
@given(
  sampler=st.sampled_from(["unbounded", "bounded"]).flatmap(_samplers),
  clips=st.integers(1, 2),
  seed=st.integers(0, 999),
)
def test_clips_of_a_scene_have_no_latent_in_common(sampler, clips, seed):
  wide = {"initial_context_gap": (120, 130), "final_context_gap": (130, 140)}
  sampler = dataclasses.replace(sampler, **wide)
  many = dataclasses.replace(sampler, target_clips=clips)
  many.check_frames(len(_POSES))
  choice = many.sample(np.random.default_rng(seed), _POSES)
  size = sampler.num_targets
  assert len(choice.latents) == clips * size == many.all_targets
  frames = sampler.grouping.frames(size)
  assert len(choice.target) == clips * frames
  shares = [set(choice.latents[n * size :][:size]) for n in range(clips)]
  assert sum(map(len, map(set, shares))) == len(set().union(*shares))
  for n, share in enumerate(shares):
    covered = choice.target[n * frames :][:frames]
    assert set(sampler.grouping.frame_to_latent(covered)) == share
  # One of them is what is drawn without, and for evaluation.
  alone = many.sample(np.random.default_rng(seed), _POSES, train=False)
  assert len(alone.latents) == size
  if clips == 1:
    same = sampler.sample(np.random.default_rng(seed), _POSES)
    np.testing.assert_array_equal(choice.target, same.target)


@pytest.mark.parametrize("chunked", [False, True])
def test_every_length_is_drawn_soundly_or_named(chunked):
  """Clips shorter than the published gaps have one interval: all of them."""
  sampler = ViewSampler(
    name="bounded",
    num_context=16,
    num_targets=10 if chunked else 8,
    gap=5 if chunked else 4,
    grouping=Grouping(4, chunked),
    chunks=2,
    chunk_probability=0.8,
    initial_context_gap=(48, 64),
    warmup_steps=30_000,
  )
  usable = []
  for frames in range(16, 110):
    try:
      sampler.check_frames(frames)
    except InputError:
      continue
    usable.append(frames)
    rng = np.random.default_rng(frames)
    for step in (0, 10_000, 30_000):
      choice = sampler.sample(rng, _POSES[:frames], step)
      _check_common(sampler, choice, frames)
      width = choice.context[-1] - choice.context[0]
      assert width == frames - 1 or width >= 48
  assert usable[0] == (35 if chunked else 33)
  assert chunked or usable == list(range(33, 110))


def test_wrong_settings_are_refused():
  config = clips.data_config("x")
  config.view_sampler.gaps = 3
  with pytest.raises(InputError, match=r"view_sampler.gaps: unknown field"):
    ViewSampler.from_config(config)
  for changes, message in (
    ({"name": "boundless"}, "view_sampler.name"),
    ({"context": "best"}, "view_sampler.context"),
    ({"chunks": 3}, "chunks.*divide"),
    ({"gap": 0}, "view_sampler.gap"),
    ({"final_context_gap": (64, 48)}, "view_sampler.final_context_gap"),
    ({"grouping": Grouping(4, True)}, "multiples of 5"),
  ):
    with pytest.raises(InputError, match=message):
      ViewSampler(**changes)


def test_every_field_can_be_configured():
  section = {
    "name": "bounded",
    "gap": 2,
    "chunks": 2,
    "chunk_probability": 0.8,
    "context": "uniform",
    "initial_context_gap": [4, 6],
    "final_context_gap": (8, 9),
    "warmup_steps": 7,
    "margin": 1,
  }
  config = clips.data_config("x", target_clips=3)
  config.view_sampler = ml_collections.ConfigDict(section)
  sampler = ViewSampler.from_config(config)
  assert sampler.target_clips == 3
  assert sampler.initial_context_gap == (4, 6) and sampler.warmup_steps == 7
  assert sampler.num_context == config.num_context
