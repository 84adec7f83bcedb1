"""View samplers: the release's choices, and what every choice satisfies."""

import dataclasses

import ml_collections
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_pipelines.views import samplers
from data_pipelines.views.samplers import ViewSampler
from scenetok_jax.geometry.latent_frames import Grouping
from scenetok_jax.types import InputError
from tests.data_pipelines import clips
from tests.goldens import load_case

_POSES = clips.poses(150)


class _Replay:
  """Answers a generator's calls with recorded draws."""

  def __init__(self, draws):
    self.draws = list(draws)

  def _take(self, kind):
    recorded, value = self.draws.pop(0)
    assert recorded == kind
    return value

  def random(self):
    return 1.0 if self._take("choice") else 0.0  # true: do not split

  def integers(self, low, high):
    value = np.ravel(self._take("randint"))[0]
    assert low <= value < high
    return value

  def choice(self, count, size, replace):
    assert not replace
    drawn = np.array(self._take("multinomial"))
    assert len(drawn) == size and drawn.max() < count
    return drawn


def _from_release(fields: dict) -> ViewSampler:
  bounded = {}
  if fields["name"] == "bounded":
    gap = "distance_between_context_views"
    bounded = {
      "initial_context_gap": (
        fields[f"initial_min_{gap}"],
        fields[f"initial_max_{gap}"],
      ),
      "final_context_gap": (fields[f"min_{gap}"], fields[f"max_{gap}"]),
      "warmup_steps": fields["context_gap_warm_up_steps"],
    }
  conditions = fields.get("max_cond_number", 0)
  return ViewSampler(
    name=fields["name"],
    num_context=fields["num_context_views"],
    num_targets=fields["num_target_views"],
    num_conditions=conditions if fields.get("sample_cond_views") else 0,
    grouping=Grouping(fields["temporal_downsample"], fields["offset"] == 1),
    gap=fields["chunk_index_gap"],
    chunks=fields["num_target_split"],
    chunk_probability=fields["target_split_prob"],
    context=fields["context_sampling"],
    **bounded,
  )


def test_recorded_draws_give_the_recorded_views():
  case = load_case("view_samplers")
  for run in case.config["random"]:
    draws = _Replay(run["draws"])
    choice = _from_release(run["view_sampler"]).sample(
      draws,
      case.inputs["extrinsics"][: run["num_views"]],
      run["global_step"],
      train=run["stage"] == "train",
    )
    expected = case.run(run["prefix"], "outputs")
    np.testing.assert_array_equal(choice.context, expected["context"])
    np.testing.assert_array_equal(choice.target, expected["target"])
    np.testing.assert_array_equal(choice.latents, expected["latent"])
    if "cond" in expected:
      np.testing.assert_array_equal(choice.condition, expected["cond"])
    assert not draws.draws


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
  low, high = samplers.context_gap_limits(sampler, step, len(_POSES))
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


def test_context_gap_grows_linearly_and_stops():
  sampler = ViewSampler(
    name="bounded",
    initial_context_gap=(48, 64),
    final_context_gap=(64, 96),
    warmup_steps=30_000,
  )
  limits = [
    samplers.context_gap_limits(sampler, step, 500)
    for step in (0, 15_000, 29_999, 30_000, 10**7)
  ]
  assert limits == [(48, 64), (56, 80), (63, 95), (64, 96), (64, 96)]
  assert samplers.context_gap_limits(sampler, 0, 500, train=False) == (64, 96)
  assert samplers.context_gap_limits(sampler, 0, 60) == (48, 59)
  with pytest.raises(InputError, match=r"final_context_gap.*has 40"):
    samplers.context_gap_limits(sampler, 0, 40)


def test_margin_warms_up_and_widens_the_targets():
  sampler = ViewSampler(
    name="bounded", initial_margin=0, margin=20, margin_warmup_steps=10
  )
  assert [samplers.margin_limit(sampler, s) for s in (0, 5, 10)] == [0, 10, 20]
  wide = ViewSampler(
    name="bounded",
    num_context=2,
    num_targets=1,
    grouping=Grouping(1),
    gap=1,
    final_context_gap=(20, 20),
    margin=20,
  )
  rng = np.random.default_rng(0)
  choices = [wide.sample(rng, _POSES) for _ in range(99)]
  assert any(c.target[0] < c.context[0] for c in choices)
  assert any(c.target[0] > c.context[-1] for c in choices)


@pytest.mark.parametrize(
  "changes, field",
  [
    ({"num_context": 91}, "num_context"),
    ({"num_targets": 30}, "num_targets"),
    ({"num_conditions": 95}, "num_conditions"),
    ({"name": "bounded", "final_context_gap": (95, 99)}, "final_context_gap"),
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
  config = clips.data_config("x")
  config.view_sampler = ml_collections.ConfigDict(section)
  sampler = ViewSampler.from_config(config)
  assert sampler.initial_context_gap == (4, 6) and sampler.warmup_steps == 7
  assert sampler.num_context == config.num_context
