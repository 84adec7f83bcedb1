"""Contact sheets of predictions."""

from collections.abc import Sequence

import numpy as np

from scenetok_jax.evaluation.evaluator import Prediction
from scenetok_jax.evaluation.generation import Generated
from scenetok_jax.evaluation.measures import SAMPLED
from scenetok_jax.media import contact_sheet, error_map


def prediction_rows(
  prediction: Prediction, columns: int
) -> list[tuple[str, np.ndarray]]:
  """Labelled rows of one scene: context, predictions, truth, error."""
  # A codec may decode fewer frames than it was given.
  truth = np.asarray(prediction.scene.target.images)
  truth = truth[: len(prediction.sampled)]
  chosen = np.linspace(0, len(truth) - 1, min(columns, len(truth))).astype(int)
  sampled = prediction.sampled[chosen]
  one_step = prediction.one_step
  return [
    (
      f"{prediction.scene.key}: context",
      np.asarray(prediction.scene.context.images),
    ),
    ("sampled", sampled),
    *([("one step", one_step[chosen])] if one_step is not None else []),
    ("truth", truth[chosen]),
    ("error", error_map(sampled, truth[chosen])),
  ]


def prediction_sheet(prediction: Prediction, columns: int = 8) -> np.ndarray:
  """One scene's rows -> uint8 [H W 3]."""
  return contact_sheet(prediction_rows(prediction, columns))


def generated_sheet(generated: Generated, columns: int = 8) -> np.ndarray:
  """Given views, the new scene, baselines and truth -> uint8 [H W 3]."""
  scene, count = generated.scene, len(generated.images[SAMPLED])
  chosen = np.linspace(0, count - 1, min(columns, count)).astype(int)
  return contact_sheet(
    [
      (f"{scene.key}: given", np.asarray(scene.context.images)),
      *(
        (name.replace("_", " "), images[chosen])
        for name, images in generated.images.items()
      ),
      ("true scene", np.asarray(scene.target.images)[chosen]),
    ]
  )


def stack_sheets(sheets: Sequence[np.ndarray]) -> np.ndarray:
  """Sheets [H W 3] below each other, as wide as the widest."""
  width = max(sheet.shape[1] for sheet in sheets)
  padded = [
    np.pad(
      sheet,
      ((0, 0), (0, width - sheet.shape[1]), (0, 0)),
      constant_values=255,
    )
    for sheet in sheets
  ]
  return np.concatenate(padded)
