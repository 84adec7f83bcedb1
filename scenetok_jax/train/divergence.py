"""A loss that stays far above what it was."""

import collections
import statistics
import sys

from scenetok_jax.parallel.runtime import is_lead

# Ours: a published run's losses vary by a third from step to step.
_WINDOW, _FEWEST, _EVERY = 1000, 100, 10
_FACTOR, _LONG = 3.0, 100


class LossWatch:
  """Tells once when the loss was far above its running median for long.

  That is: above 3 times the median of the last 1,000 losses, in 100 steps in a
  row. The run goes on; it tells again when the loss had come back.
  """

  def __init__(self) -> None:
    self._losses: collections.deque[float] = collections.deque(maxlen=_WINDOW)
    self._median, self._above = float("inf"), 0

  def see(self, step: int, loss: float) -> None:
    """Counts the loss of a step."""
    self._above = self._above + 1 if loss > _FACTOR * self._median else 0
    if self._above == _LONG and is_lead():
      print(
        f"step {step}: for {_LONG} steps the loss has been above {_FACTOR:g}"
        f" times its median of {self._median:.4g}: lower"
        " optimizer.learning_rate, and go on from a checkpoint before it"
        " (config.restore)",
        file=sys.stderr,
      )
    self._losses.append(loss)
    # A diverged loss must not become the median that it is compared with.
    if not self._above and step % _EVERY == 0 and len(self._losses) >= _FEWEST:
      self._median = statistics.median(self._losses)
