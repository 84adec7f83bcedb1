"""Every life of a run leaves its row, however it ended."""

import threading
import time

import pytest

from scenetok_jax.train import lives
from scenetok_jax.train.activity import Activity
from scenetok_jax.train.lives import LIVES_FILE, LifeLog, read_lives
from scenetok_jax.types import InputError
from scenetok_jax.workdir.lock import LeaseLostError


def live(folder, check=lambda: None, activity=None):
  """A life that has made steps 4 and 5 of 5."""
  activity = activity or Activity()
  activity.first_step, activity.last_step = 3, 5
  return LifeLog(folder, 5, activity, check)


def rows(folder):
  return read_lives(folder / LIVES_FILE)


def wait_for(done):
  end = time.monotonic() + 10
  while not done() and time.monotonic() < end:
    time.sleep(0.01)
  assert done()


def test_how_a_life_ended_is_in_its_row(tmp_path):
  with live(tmp_path):
    (row,) = rows(tmp_path)
    assert row["ended"] == "alive" and row["processes"] == 1
  with pytest.raises(InputError), live(tmp_path):
    raise InputError("a full disk")
  activity = Activity()
  with live(tmp_path, activity=activity):
    activity.last_step = 4
  found = rows(tmp_path)
  assert [row["ended"] for row in found] == [
    "finished", "failed: InputError", "stopped",
  ]  # fmt: skip
  assert [row["last_step"] for row in found] == [5, 5, 4]
  for row in found:
    spent = sum(row["seconds"].values())
    assert row["end"] - row["begin"] == pytest.approx(spent, abs=0.01)
  assert time.time() - 5 < row["begin"] <= row["end"] <= time.time() + 0.01


@pytest.mark.faults("a life that never says that it ends")
def test_a_killed_life_has_the_row_of_its_last_save(tmp_path):
  activity = Activity()
  log = live(tmp_path, activity=activity)
  log.__enter__()
  activity.last_step = 40
  activity.at("the save of step 40", "save")
  wait_for(lambda: rows(tmp_path)[0]["last_step"] == 40)
  killed = rows(tmp_path)[0]
  with live(tmp_path):
    first, second = rows(tmp_path)
    assert first == killed | {"ended": "killed"}
    assert second["ended"] == "alive"
    log._over.set()
    activity.news.set()


def test_the_row_is_kept_up_to_date_between_saves(tmp_path, monkeypatch):
  monkeypatch.setattr(lives, "_BEAT", 0.05)
  activity = Activity()
  with live(tmp_path, activity=activity):
    activity.last_step = 17
    wait_for(lambda: rows(tmp_path)[0]["last_step"] == 17)


def test_the_file_of_another_run_is_left_alone(tmp_path, monkeypatch):
  monkeypatch.setattr(lives, "_BEAT", 0.05)
  checked = threading.Event()

  def taken():
    checked.set()
    raise LeaseLostError("taken")

  with pytest.raises(LeaseLostError), live(tmp_path, taken):
    before = rows(tmp_path)
    assert checked.wait(10)
    time.sleep(0.2)
    raise LeaseLostError("taken")
  assert rows(tmp_path) == before


def test_a_file_that_is_no_record_is_told(tmp_path):
  (tmp_path / LIVES_FILE).write_text("{half")
  with pytest.raises(InputError, match=r"lives\.jsonl: line 1: .* move"):
    rows(tmp_path)
