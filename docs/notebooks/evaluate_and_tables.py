# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Evaluate, and read a table
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/)
# takes this file as `make notebooks` writes it (*Upload*), with the wheel of
# `pip wheel --no-deps .` beside it; the next line installs that.
#
# What `scenetok evaluate` and `scenetok tables` say, number by number, on four
# rooms that the shipped model has not seen.

# %%
# %pip install -q scenetok_jax-*.whl

# %%
from pathlib import Path

import matplotlib.pyplot as plt

from data_pipelines import sources
from data_pipelines.storage import builders
from scenetok_jax import SceneTok, media
from scenetok_jax.evaluation import report
from scenetok_jax.evaluation.request import EvaluationRequest
from scenetok_jax.evaluation.results import read_result
from scenetok_jax.evaluation.run import evaluate
from scenetok_jax.evaluation.table_text import markdown
from scenetok_jax.evaluation.tables import make_tables

OUT = Path("evaluate_and_tables")

# %%
options = sources.options_type("rooms")(scenes=4, frames=32)
builders.build(
  OUT / "data", sources.plan("rooms", None, "test", options), workers=0
)
model = SceneTok.from_pretrained("rooms")
found = evaluate(
  model,
  EvaluationRequest(
    data=f"{OUT}/data", steps=4, batch=2, resamples=200, out=f"{OUT}/result"
  ),
)

# %% [markdown]
# ## Scores of every scene
# `one_step_psnr` is the conditional mean: the best guess in squared error, and
# blurry. `psnr` is one plausible picture. `wrong_scene_psnr` has the same
# cameras and noise with another scene's tokens: were it no lower, the renderer
# would ignore them.

# %%
print(report.table(found))

# %% [markdown]
# ## What counts as good
# Above both baselines, and as near to the codec's ceiling as it gets; the line
# is the 95 % interval over scenes.

# %%
names = {
  "codec_ceiling_psnr": "codec ceiling",
  "one_step_psnr": "one step",
  "psnr": "sampled",
  "mean_view_psnr": "mean of the context views",
  "nearest_view_psnr": "nearest context view",
  "wrong_scene_psnr": "with another scene's tokens",
}
plt.figure(figsize=(7, 3))
for place, key in enumerate(names):
  low, high = found["confidence_intervals"][key]
  plt.plot([low, high], [place, place], color="tab:blue")
  plt.plot(found[key], place, "o", color="tab:blue")
plt.yticks(range(len(names)), list(names.values()))
plt.xlabel("PSNR, dB")
plt.tight_layout()
plt.savefig(OUT / "scores.png")
plt.show()

# %%
sheet = media.read_image(OUT / "result/contact_sheet.png")
plt.figure(figsize=(10, 10 * sheet.shape[0] / sheet.shape[1]))
plt.imshow(sheet)
plt.axis("off")
plt.show()

# %% [markdown]
# ## The table
# Results of published protocols stand beside the paper's numbers; these rooms
# have none, and get a table of their own.

# %%
tables = make_tables([read_result(OUT / "result")])
(OUT / "tables.md").write_text(markdown(tables), "utf-8")
print((OUT / "tables.md").read_text("utf-8"))
