"""Contact sheets of predictions."""

import numpy as np

from scenetok_jax.evaluation.evaluator import Prediction
from scenetok_jax.evaluation.measures import CEILING, SAMPLED
from scenetok_jax.inference import pictures
from scenetok_jax.media import contact_sheet, error_map


def prediction_sheet(prediction: Prediction) -> np.ndarray:
  """Given views, what was rendered, the truth and the error: uint8 [H W 3].

  Of a new scene no error is shown.
  """
  scene = prediction.scene
  # A codec may decode fewer frames than it was given.
  chosen = pictures.columns(len(prediction.images[SAMPLED]))
  truth = np.asarray(scene.target.images)[chosen]
  hidden = (CEILING, "wrong_scene")
  shown = {
    name.replace("_", " "): images[chosen]
    for name, images in prediction.images.items()
    if name not in hidden
  }
  if prediction.generated:
    given, rows = "given", {**shown, "true scene": truth}
  else:
    error = error_map(shown[SAMPLED], truth)
    given, rows = "context", {**shown, "truth": truth, "error": error}
  context = np.asarray(scene.context.images)
  return contact_sheet([(f"{scene.key}: {given}", context), *rows.items()])
