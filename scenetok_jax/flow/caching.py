"""Which steps of a sampling may reuse what an earlier one computed.

MagCache (arXiv 2506.09045): what a transformer's blocks add to their input,
the residual, changes its size from step to step in a way that hardly depends on
the scene. So the sizes are measured once for a checkpoint, and steps whose
residuals are nearly those of the last computed step take them from there.
"""

import numpy as np

MOST = 3  # steps in a row that may be left out: the paper's K
FIRST = 0.2  # share of the steps that is always computed: its retention ratio


def reused_steps(
  ratios: np.ndarray, error: float, most: int = MOST, first: float = FIRST
) -> np.ndarray:
  """bool [S]: which of S steps reuse the residual of the last computed one.

  Args:
    ratios: [S], the size of each step's residual by that of the step before;
      the first is not read.
    error: what the deviations of the products of ratios since the last
      computed step from 1 may sum to.
    most: reused steps in a row.
    first: share of the steps, at their start, that is computed. The last step,
      which ends at the data, is computed too.
  """
  steps = len(ratios)
  reused = np.zeros(steps, bool)
  product, total, row = 1.0, 0.0, 0
  for step in range(max(1, int(np.ceil(first * steps))), steps - 1):
    product *= float(ratios[step])
    total += abs(1 - product)
    row += 1
    reused[step] = total <= error and row <= most
    if not reused[step]:
      product, total, row = 1.0, 0.0, 0
  return reused
