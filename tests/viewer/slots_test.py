"""The latest view of each client wins; jobs wait; who leaves is forgotten."""

import threading

import pytest

from scenetok_jax.viewer.slots import Slots


class Clock:
  now = 0.0

  def __call__(self):
    return self.now


@pytest.fixture
def clock():
  return Clock()


@pytest.fixture
def slots(clock):
  found = Slots(clock)
  for client in (1, 2):
    found.add(client)
  return found


def taken(slots):
  work = slots.take()
  return work.kind, work.client, work.value


def test_a_newer_view_replaces_an_older_one(slots):
  for value in "abc":
    slots.move(1, value)
  assert taken(slots) == ("move", 1, "c")
  assert slots.take_move() is None


def test_clients_take_turns_however_often_one_moves(slots):
  slots.move(1, "a")
  slots.move(2, "b")
  slots.move(1, "c")
  assert taken(slots) == ("move", 1, "c")
  slots.move(1, "d")
  assert taken(slots) == ("move", 2, "b")
  assert taken(slots) == ("move", 1, "d")


def test_a_view_at_rest_waits_until_it_is_due(slots, clock):
  slots.rest(1, "a", delay=5)
  slots.job(2, "b")
  assert taken(slots) == ("job", 2, "b")
  slots.job(2, "c")
  clock.now = 5
  assert taken(slots) == ("rest", 1, "a")
  assert taken(slots) == ("job", 2, "c")


def test_a_move_is_newer_than_a_view_at_rest(slots, clock):
  slots.rest(1, "old", delay=1)
  slots.move(1, "new")
  slots.rest(1, "older", delay=0)
  clock.now = 9
  assert taken(slots) == ("move", 1, "new")
  assert slots.take_move() is None


def test_jobs_of_clients_take_turns(slots):
  for value in "ab":
    slots.job(1, value)
  slots.job(2, "c")
  assert [taken(slots)[2] for _ in range(3)] == ["a", "c", "b"]


def test_who_leaves_is_forgotten_and_unknown_ones_are_not_heard(slots):
  slots.move(1, "a")
  slots.job(1, "b")
  slots.drop(1)
  slots.move(1, "late")
  slots.rest(3, "unknown", delay=0)
  slots.job(2, "c")
  assert taken(slots) == ("job", 2, "c")
  assert not slots.known(1) and slots.known(2)


def test_take_waits_for_work_and_ends_when_closed():
  slots, found = Slots(), []

  def work():
    while (one := slots.take()) is not None:
      found.append(one.value)

  thread = threading.Thread(target=work)
  thread.start()
  slots.add(1)
  slots.rest(1, "a", delay=0.05)
  while not found:
    threading.Event().wait(0.01)
  slots.close()
  thread.join(10)
  assert not thread.is_alive() and found == ["a"]
  assert not slots.known(1)
