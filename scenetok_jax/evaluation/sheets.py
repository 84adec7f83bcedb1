"""Contact sheets of predictions."""

import numpy as np

from scenetok_jax.evaluation.evaluator import Prediction
from scenetok_jax.evaluation.generation import Generated
from scenetok_jax.evaluation.measures import SAMPLED
from scenetok_jax.inference import pictures
from scenetok_jax.media import contact_sheet, error_map


def prediction_sheet(prediction: Prediction) -> np.ndarray:
  """Context, predictions, truth and error of a scene -> uint8 [H W 3]."""
  scene, sampled = prediction.scene, prediction.sampled
  # A codec may decode fewer frames than it was given.
  chosen = pictures.columns(len(sampled))
  truth, one_step = np.asarray(scene.target.images)[chosen], prediction.one_step
  return contact_sheet(
    [
      (f"{scene.key}: context", np.asarray(scene.context.images)),
      ("sampled", sampled[chosen]),
      *([("one step", one_step[chosen])] if one_step is not None else []),
      ("truth", truth),
      ("error", error_map(sampled[chosen], truth)),
    ]
  )


def generated_sheet(generated: Generated) -> np.ndarray:
  """Given views, the new scene, baselines and truth -> uint8 [H W 3]."""
  scene = generated.scene
  chosen = pictures.columns(len(generated.images[SAMPLED]))
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
