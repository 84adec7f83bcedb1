"""Where the seconds of a life went."""

import time

import jax
import jax.numpy as jnp
import pytest

from scenetok_jax.train.activity import KINDS, Activity


class Clock:
  now = 100.0

  def __call__(self):
    return self.now


def test_every_second_has_one_kind():
  clock = Clock()
  activity = Activity(clock)
  for phase, kind, seconds in (
    ("the restore", "restore", 1.0),
    ("step 1", "step", 2.0),
    ("still step 1", None, 4.0),  # the same kind
    ("the data of step 2", "data_wait", 8.0),
    ("the save of step 2", "save", 16.0),
  ):
    clock.now += 0.5  # of the phase before
    activity.at(phase, kind)
    clock.now += seconds
  found = activity.seconds()
  assert found.keys() == set(KINDS) and sum(found.values()) == 33.5
  assert found["start"] == 0.5 and found["restore"] == 1.5
  assert found["step"] == 2.0 + 0.5 + 4.0 + 0.5
  assert found["data_wait"] == 8.5 and found["save"] == 16.0


def test_to_get_on_is_seen_and_only_another_phase_has_another_number():
  activity = Activity()
  first = activity.place
  activity.at("step 1")
  second = activity.place
  activity.at("step 1")
  assert second == activity.place and second is not activity.place
  assert second[1] == first[1] + 1


def test_a_save_is_news():
  activity = Activity()
  activity.at("step 1", "step")
  assert not activity.news.is_set()
  activity.at("the save of step 1", "save")
  assert activity.news.is_set()


def test_a_compilation_inside_another_counts_once():
  clock = Clock()
  activity = Activity(clock)
  activity.at("step 1", "step")
  for now, seconds in ((103.0, 2.0), (104.0, 0.5), (105.0, 4.5), (107.0, 1.0)):
    clock.now = now
    activity._heard("/jax/core/compile/jaxpr_trace_duration", seconds)
    activity._heard("/jax/checkpoint/write", 50.0)
  clock.now = 110.0
  found = activity.seconds()
  assert found["compile"] == 5.5 and found["step"] == 4.5
  activity.at("step 2")
  clock.now += 1.0
  assert activity.seconds() == found | {"step": 5.5}


def test_jax_tells_what_it_compiles_while_the_activity_is_entered():
  with Activity() as activity:
    start = time.monotonic()

    @jax.jit
    def slow(x):
      time.sleep(0.3)  # while it is traced
      return jnp.sin(x) @ x

    x = jnp.ones((4, 4))
    slow(x).block_until_ready()
    whole = time.monotonic() - start
    first = activity.seconds()
    slow(x).block_until_ready()
    assert activity.seconds()["compile"] == first["compile"]
  assert 0.3 < first["compile"] <= whole
  jax.jit(jnp.cos)(jnp.ones(7))
  assert activity.seconds()["compile"] == first["compile"]
  assert sum(first.values()) == pytest.approx(whole, abs=0.05)
