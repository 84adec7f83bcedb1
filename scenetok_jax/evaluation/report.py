"""Contact sheets of predictions."""

from collections.abc import Sequence

import numpy as np

from scenetok_jax.evaluation.evaluator import Prediction
from scenetok_jax.media import contact_sheet, error_map


def prediction_rows(
  prediction: Prediction, columns: int
) -> list[tuple[str, np.ndarray]]:
  """Labelled rows of one scene: context, predictions, truth, error."""
  truth = np.asarray(prediction.scene.target.images)
  chosen = np.linspace(0, len(truth) - 1, min(columns, len(truth))).astype(int)
  sampled = prediction.sampled[chosen]
  return [
    (
      f"{prediction.scene.key}: context",
      np.asarray(prediction.scene.context.images),
    ),
    ("sampled", sampled),
    ("one step", prediction.one_step[chosen]),
    ("truth", truth[chosen]),
    ("error", error_map(sampled, truth[chosen])),
  ]


def prediction_sheet(
  predictions: Sequence[Prediction], columns: int = 8, scenes: int = 4
) -> np.ndarray:
  """The first scenes below each other -> uint8 [H W 3]."""
  rows = [
    row
    for prediction in predictions[:scenes]
    for row in prediction_rows(prediction, columns)
  ]
  return contact_sheet(rows)
