"""A loss that stays high is told, once; noise and jumps are not."""

from scenetok_jax.train.divergence import LossWatch


def told(losses, capsys):
  watch = LossWatch()
  for step, loss in enumerate(losses, 1):
    watch.see(step, loss)
  return capsys.readouterr().err.splitlines()


def test_a_loss_that_stays_high_is_told_once(capsys):
  (line,) = told([1.0] * 500 + [5.0] * 400, capsys)
  assert line.startswith("step 600: for 100 steps") and "median of 1" in line


def test_it_is_told_again_after_it_came_back(capsys):
  losses = [1.0] * 500 + [5.0] * 150 + [1.0] * 50 + [5.0] * 150
  assert len(told(losses, capsys)) == 2


def test_noise_short_jumps_and_the_first_steps_are_not_told(capsys):
  noisy = [1.0, 2.5, 0.4] * 200
  jumps = ([1.0] * 150 + [50.0] * 99) * 3
  assert told([100.0] * 50 + noisy + jumps, capsys) == []
