# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # What is in the tokens
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/)
# takes this file as `make notebooks` writes it (*Upload*), with the wheel of
# `pip wheel --no-deps .` beside it; the next line installs that.
#
# Two of the paper's analyses on the shipped model: do samples differ more when
# tokens are taken away, and do they err where they differ?

# %%
# %pip install -q scenetok_jax-*.whl

# %%
from pathlib import Path

import matplotlib.pyplot as plt

from data_pipelines import sources
from data_pipelines.storage import builders
from scenetok_jax import SceneTok, media, outputs
from scenetok_jax.analyses import findings, masking, variance

OUT = Path("what_is_in_the_tokens")


def show(path):
  """A picture that was written."""
  picture = media.read_image(path)
  plt.figure(figsize=(10, 10 * picture.shape[0] / picture.shape[1]))
  plt.imshow(picture)
  plt.axis("off")
  plt.show()


# %%
options = sources.options_type("rooms")(scenes=3, frames=24)
builders.build(
  OUT / "data", sources.plan("rooms", None, "test", options), workers=0
)
model = SceneTok.from_pretrained("rooms")
small = {
  "data": f"{OUT}/data",
  "scenes": 3,
  "batch": 3,
  "frames": 6,
  "samples": 3,
  "steps": 8,
}

# %% [markdown]
# ## Fewer tokens
# Tokens go in a random order, the noise is the same at every level. The truth
# gets lost (PSNR), and samples drift apart (variance): what tokens do not say
# the renderer makes up.

# %%
found = masking.run(
  model, masking.MaskingOptions(masked=(0, 40, 80, 100), **small)
)
with outputs.opened(OUT / "masking") as out:
  print(findings.write(found, out))
show(OUT / "masking/masking.png")

# %% [markdown]
# ## Where samples differ
# Deviation of the samples, and the error of their mean: a model that knows
# what it does not know has them in the same places.

# %%
found = variance.run(model, variance.VarianceOptions(**small))
with outputs.opened(OUT / "variance") as out:
  names = findings.write(found, out)
show(OUT / "variance" / next(name for name in names if name.endswith(".png")))
