"""Rows of lives -> what share of the time trained the run."""

import pytest

from scenetok_jax.train.goodput import check_lives, goodput, table
from scenetok_jax.types import InputError


def life(begin, end, first, last, ended="killed", **seconds):
  spent = {"step": 0.0, "data_wait": 0.0, "compile": 0.0, **seconds}
  return {
    "begin": begin, "end": end, "first_step": first, "last_step": last,
    "ended": ended, "seconds": spent,
  }  # fmt: skip


def test_steps_that_a_kill_lost_do_not_count():
  found = goodput(
    [
      life(0.0, 60.0, 0, 50, step=50.0, compile=10.0),
      life(70.0, 100.0, 40, 60, "finished", step=20.0, data_wait=10.0),
    ]
  )
  seconds = found["seconds"]
  assert found["wall_seconds"] == 100.0
  assert (found["steps"], found["steps_again"]) == (60, 10)
  assert seconds["productive"] == 40.0 + 20.0 and seconds["lost"] == 10.0
  assert seconds["compile"] == 10.0 and seconds["data_wait"] == 10.0
  assert seconds["between"] == 10.0
  assert sum(seconds.values()) == found["wall_seconds"]
  assert found["productive_share"] == 0.6
  assert [row["steps_again"] for row in found["lives"]] == [10, 0]


def test_a_damaged_checkpoint_takes_steps_of_several_lives():
  found = goodput(
    [
      life(0.0, 10.0, 0, 10, step=10.0),
      life(10.0, 20.0, 8, 18, step=10.0),
      life(20.0, 21.0, None, None, "failed: InputError", start=1.0),
      life(21.0, 31.0, 4, 14, "alive", step=10.0),
    ]
  )
  assert [row["steps"] for row in found["lives"]] == [4, 0, 0, 10]
  assert [row["steps_again"] for row in found["lives"]] == [6, 10, 0, 0]
  assert found["seconds"]["productive"] == 14.0
  assert found["seconds"]["lost"] == 16.0 and found["seconds"]["start"] == 1.0


def test_a_step_that_never_ended_is_no_use():
  found = goodput([life(0.0, 5.0, 0, 0, step=5.0)])
  assert found["seconds"]["lost"] == 5.0 and found["productive_share"] == 0.0


def test_what_was_read_past_the_last_sign_of_a_killed_life_counts_once():
  # Saved at step 9, killed, and its row is of step 6.
  found = goodput(
    [life(0.0, 6.0, 0, 6, step=6.0), life(10.0, 20.0, 9, 19, step=10.0)]
  )
  assert (found["steps"], found["steps_again"]) == (16, 0)
  assert found["seconds"]["between"] == 4.0


@pytest.mark.parametrize(
  "text",
  [
    "60.0% of 0:01:40 were steps that count: 60, and 10 trained again",
    "waiting for data      10.0%           0:00:10",
    "1              0 to 50           0:01:00  killed",
  ],
)
def test_the_table_is_for_people(text):
  rows = [
    life(0.0, 60.0, 0, 50, step=50.0, compile=10.0),
    life(70.0, 100.0, 40, 60, "finished", step=20.0, data_wait=10.0),
  ]
  assert text in table(goodput(rows))


@pytest.mark.parametrize(
  "field, value",
  [("end", "x"), ("seconds", [1]), ("ended", None), ("last_step", -1)],
)
def test_a_row_of_other_things_is_named(field, value):
  good = life(0.0, 60.0, 0, 50)
  check_lives([good, good], "x")
  with pytest.raises(InputError, match=f"x: life 2: {field}: "):
    check_lives([good, good | {field: value}], "x")
