"""Every number of every configuration has a range; others are one line.

`python -m tests.workdir.ranges_test` prints the table of docs/robustness.md.
"""

import math

import pytest
from flax.traverse_util import flatten_dict

from scenetok_jax.configs import common
from scenetok_jax.types import InputError
from scenetok_jax.workdir.config import load_config
from scenetok_jax.workdir.ranges import check_numbers, number_range
from tests import page_tables

ROOMS = "configs/rooms.py"


def numbers(stage):
  """(field, its value) of a preset; tuples by their first number."""
  fields = flatten_dict(common.base(stage).to_dict(), sep=".")
  for name, value in fields.items():
    first = value[0] if isinstance(value, tuple) else value
    if isinstance(first, int | float) and not isinstance(first, bool):
      yield name, first


def changed(stage, name, number):
  config = common.base(stage)
  part, _, leaf = name.rpartition(".")
  section = config
  for key in filter(None, part.split(".")):
    section = section[key]
  old = section[leaf]
  with section.ignore_type():
    section[leaf] = (number, *old[1:]) if isinstance(old, tuple) else number
  return config


@pytest.mark.parametrize("stage", ["tokenizer", "generator"])
def test_no_number_may_be_nan_infinite_or_far_out(stage):
  for name, value in numbers(stage):
    check_numbers(changed(stage, name, value))
    for bad in (math.nan, math.inf, -math.inf, 10**30, -(10**30), 1e300):
      with pytest.raises(InputError, match=r"config\.\S+: .*give"):
        check_numbers(changed(stage, name, bad))


@pytest.mark.parametrize("stage", ["tokenizer", "generator"])
def test_a_range_holds_the_value_of_the_preset(stage):
  for name, value in numbers(stage):
    least, most = number_range(name, value)
    assert least <= value <= most, name


@pytest.mark.parametrize(
  ("override", "words"),
  [
    ("optimizer.learning_rate=nan", "learning_rate: nan: give a number from 0"),
    ("optimizer.learning_rate=inf", "learning_rate: inf"),
    ("optimizer.learning_rate=-0.1", "learning_rate: -0.1"),
    ("optimizer.weight_decay=nan", "weight_decay: nan"),
    ("optimizer.clip_norm=nan", "clip_norm: nan"),
    ("optimizer.ema_decay=2", "ema_decay: 2"),
    ("optimizer.ema_decay=nan", "ema_decay: nan"),
    ("flow.shift=nan", "flow.shift: nan"),
    ("flow.shift=0", "flow.shift: 0"),
    ("train.kl_weights=(abc,0)", "train.kl_weights: "),
    ("train.kl_weights=(1.0,)", "train.kl_weights: (1.0,): give 2 numbers"),
    ("train.kl_weights=(nan,0.0)", "train.kl_weights: "),
    ("optimizer.milestones=(5,-1)", "optimizer.milestones: -1"),
    ("seed=-1", "config.seed: -1"),
    ("seed=4294967296", "config.seed: 4294967296"),
    ("data.batch_size=0", "data.batch_size: 0"),
    ("train.log_every=0", "train.log_every: 0"),
    ("train.total_steps=-5", "decay_steps: -5"),
    ("decoder.width=1000000000000", "decoder.width: 1000000000000"),
  ],
)
def test_a_number_out_of_range_is_refused_on_the_command_line(override, words):
  with pytest.raises(InputError) as caught:
    load_config(ROOMS, [f"--config.{override}"])
  assert words in str(caught.value) and str(caught.value).startswith(ROOMS)


def _refused(stage, name, number):
  try:
    check_numbers(changed(stage, name, number))
  except InputError:
    return True
  return False


def table():
  """Fields by their range and by which numbers are refused, in Markdown."""
  bad = {"0": 0, "-1": -1, "10^9": 10**9, "10^30": 10**30}
  bad |= {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
  outcomes = []
  for stage in ("tokenizer", "generator"):
    for name, value in numbers(stage):
      ends = [f"{x:g}" for x in number_range(name, value)]
      found = ["2" if _refused(stage, name, x) else "" for x in bad.values()]
      outcomes.append((name, ends + found))
  return page_tables.grouped(["fields", "from", "to", *bad], outcomes)


def test_the_page_has_the_table():
  assert page_tables.in_page(table())


if __name__ == "__main__":
  print(table())
