# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Train on your capture
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/)
# takes this file as `make notebooks` writes it (*Upload*), with the wheel of
# `pip wheel --no-deps .` beside it; the next line installs that.
#
# The shipped model is tuned on a capture of your own. `CAPTURES` is a folder
# whose sub-folders are captures (images with a `transforms.json` or a COLMAP
# model); while it is `None` two rooms by night are drawn, which look unlike all
# that the model has seen. 40 steps show that it learns; 2,000 (`STEPS`) take a
# quarter of an hour on two cores.

# %%
# %pip install -q scenetok_jax-*.whl

# %%
import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from data_pipelines import sources
from data_pipelines.rooms import render_clip
from data_pipelines.storage import builders
from scenetok_jax import SceneTok, media
from scenetok_jax.evaluation.request import EvaluationRequest
from scenetok_jax.evaluation.run import evaluate
from scenetok_jax.train.experiment import run
from scenetok_jax.workdir.config import load_config

CAPTURES = None
STEPS = 40
OUT = Path("train_on_your_capture")


def draw_rooms(folder):
  """Two rooms by night, which no model has seen, as captures."""
  for number in (1_000_001, 1_000_002):
    clip = render_clip(seed=0, scene=number, frames=30, size=64)
    room = folder / clip.key
    night = clip.images * np.array([0.25, 0.3, 0.5])
    media.write_frames(room / "images", night.astype(np.uint8))
    lens = clip.cameras.intrinsics[0] * np.array([[64], [64], [1]], np.float32)
    frames = [
      {"file": f"images/{i:04d}.png", "c2w": pose.tolist(), "K": lens.tolist()}
      for i, pose in enumerate(clip.cameras.extrinsics)
    ]
    text = json.dumps({"frames": frames})
    (room / "poses.json").write_text(text, "utf-8")
  return folder


# %% [markdown]
# ## Prepare
# Every fifth frame is kept from training. What is unusable is left out here,
# and the report says why.

# %%
captures = CAPTURES or draw_rooms(OUT / "captures")
options = sources.options_type("capture")(size=64, holdout_every=5)
plan = sources.plan("capture", captures, "train", options)
report = builders.build(OUT / "data", plan, workers=0)
print(f"{report['kept']} of {report['seen']} captures; {report['dropped']}")

# %% [markdown]
# ## Train
# `configs/capture.py` starts from the shipped checkpoint. The same cell run
# again goes on where it was stopped.

# %%
config = load_config(
  "capture",
  [
    f"--config.data.path={OUT}/data",
    f"--config.train.total_steps={STEPS}",
    f"--config.optimizer.warmup_steps={STEPS // 10}",
    "--config.train.log_every=2",
  ],
)
state = run(config, str(OUT / "run"))

# %%
lines = (OUT / "run/metrics.jsonl").read_text("utf-8").splitlines()
rows = [json.loads(line) for line in lines]
plt.figure(figsize=(6, 3))
plt.plot([row["step"] for row in rows], [row["loss"] for row in rows])
plt.xlabel("step")
plt.ylabel("loss")
plt.tight_layout()
plt.savefig(OUT / "loss.png")
plt.show()

# %% [markdown]
# ## Before and after
# On the frames that were kept from training, beside two baselines that a model
# must beat and the codec's ceiling, which none can pass.

# %%
request = EvaluationRequest(
  data=f"{OUT}/data", split="train", steps=4, batch=2, resamples=50
)
scores = {}
for name, folder in (("shipped", "rooms"), ("tuned", f"{OUT}/run")):
  found = evaluate(SceneTok.from_pretrained(folder), request)
  scores[name] = found["psnr"]
scores["nearest view"] = found["nearest_view_psnr"]
scores["mean view"] = found["mean_view_psnr"]
scores["codec ceiling"] = found["codec_ceiling_psnr"]
plt.figure(figsize=(6, 3))
plt.barh(list(scores), list(scores.values()))
plt.xlabel("PSNR of held-out frames, dB")
plt.tight_layout()
plt.savefig(OUT / "scores.png")
plt.show()
print({name: round(value, 2) for name, value in scores.items()})
