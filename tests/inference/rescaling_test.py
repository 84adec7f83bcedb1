"""A scene's unit against that of a model's training."""

import numpy as np
import pytest
from ml_collections import ConfigDict

from data_pipelines import sources
from data_pipelines.loading.examples import open_examples
from data_pipelines.storage import builders
from scenetok_jax.inference.rescaling import fitting, mismatch, trained_scale
from scenetok_jax.workdir.config import load_config
from scenetok_jax.workdir.stored_model import stored_model


def _config(*baseline):
  return ConfigDict({"scale": {"scenes": 3, "baseline": baseline}})


@pytest.mark.parametrize(
  "apart, told",
  [(1.0, 0), (2.0, 0), (2.01, 1), (0.49, 1), (0.5, 0), (0.0, 0), (np.nan, 0)],
)
def test_beyond_a_factor_of_two_of_the_median_is_told(apart, told):
  found = mismatch(_config(0.9, 1.0, 1.0, 1.0, 1.1), apart)
  assert bool(found) == bool(told) and "\n" not in found


def test_what_training_had_is_not_told():
  wide = _config(0.1, 0.5, 1.0, 3.0, 9.0)
  assert not mismatch(wide, 8.9) and not mismatch(wide, 0.11)
  assert mismatch(wide, 9.1) and mismatch(wide, 0.09)


def test_cameras_that_never_moved_tell_nothing():
  still = _config(0.0, 0.0, 0.0, 0.0, 0.0)
  assert not mismatch(still, 5.0) and not mismatch(ConfigDict({}), 5.0)
  with pytest.raises(ValueError, match="--rescale=FACTOR"):
    fitting(still, 5.0, "scene a")


def test_the_shipped_checkpoint_knows_its_rooms(tmp_path):
  config, _ = stored_model("rooms")
  options = sources.options_type("rooms")(size=8, scenes=6)
  plan = sources.plan("rooms", None, "test", options)
  builders.build(tmp_path, plan)
  fields = (
    *(f"data.path={tmp_path}", "data.split=test", "data.image_size=8"),
    "data.cache=False",
  )
  data = load_config("rooms", [f"--config.{field}" for field in fields]).data
  found, known = open_examples(data).scale(), trained_scale(config)
  for name in ("baseline", "depth"):
    least, _, middle, _, most = known[name]
    assert least < found[name][2] < most
    assert 0.6 < found[name][2] / middle < 1.6
  assert not mismatch(config, found["baseline"][2])
  assert "0.1 times" in mismatch(config, 10 * known["baseline"][2])
