"""The largest batch that fits is found in few compilations."""

import pytest

from scenetok_jax.aot.batches import largest

ROOM, HELD = 1000, 100


def chip(each, overhead=0):
  """Compiles batches that need so many bytes each; those it has compiled."""
  seen = []

  def compiled(batch):
    seen.append(batch)
    needed = HELD + overhead + each * batch
    return {
      "batch": batch,
      "fits": needed <= ROOM,
      "hbm_bytes_per_chip": needed,
      "hbm_capacity_bytes": ROOM,
      "memory": {"params": HELD},
      "frames_per_second": 8.0,
    }

  return compiled, seen


@pytest.mark.parametrize(
  "each, overhead, batches",
  [
    (10, 0, [1, 64, 128]),  # 90 would fit: by the first's memory, 64
    (450, 0, [1, 2, 4]),
    (900, 0, [1, 2]),
    (10, 90, [1, 8, 32, 64, 128]),  # what does not grow hides what fits
  ],
)
def test_the_largest_power_of_two_is_found_fast(each, overhead, batches):
  compiled, seen = chip(each, overhead)
  found = largest(compiled, 1, 9)
  assert seen == batches == [row["batch"] for row in found["tried"]]
  assert found["batch"] == batches[-2] and found["largest"]
  assert found["tried"][0]["frames_per_second"] == 8.0


def test_a_forecast_that_was_too_high_is_halved():
  compiled, _ = chip(10)

  def grows(batch):
    # More than in proportion from 16 on.
    found = compiled(batch if batch < 16 else 10 * batch)
    return {**found, "batch": batch}

  found = largest(grows, 1, 9)
  tried = [row["batch"] for row in found["tried"]]
  assert found["batch"] == 8 and tried == [1, 64, 32, 16, 8]


def test_tries_end_the_search():
  compiled, seen = chip(10, 90)
  found = largest(compiled, 2, 2)
  assert len(seen) == 2 and found["batch"] == seen[-1]
  assert not found["largest"]


def test_where_not_even_the_first_fits_it_says_so():
  compiled, seen = chip(901)
  found = largest(compiled, 1, 9)
  assert seen == [1] and not found["fits"]
  assert "not even 1 at once fit" in found["nothing_fits"]
