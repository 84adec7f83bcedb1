"""Fits the block-DCT codec's power law to rendered rooms, prints both.

  python -m benchmarks.block_dct_statistics --clips 24

The printed constants are the ones in scenetok_jax/codecs/block_dct.py; the
last lines show measured and fitted deviation of a few coefficients.
"""

import argparse

import numpy as np
from einops import rearrange
from scipy.optimize import minimize

from data_pipelines.rooms import render_clip
from scenetok_jax.codecs import block_dct


def coefficients(images: np.ndarray, side: int) -> np.ndarray:
  """uint8 [T H W 3] -> deviation of the coefficients [side, side, colour]."""
  spec = block_dct.BlockDct(side, 3 * side * side, whiten=0.0)
  basis, _, _ = block_dct.tables(spec)
  values = images.astype(np.float32) / 127.5 - 1.0
  values = values - values.mean()
  blocks = rearrange(
    values, "t (h p) (w q) c -> (t h w) (p q c)", p=side, q=side
  )
  latents = blocks @ basis
  order = np.argsort(-block_dct.expected_deviation(spec).ravel(), kind="stable")
  deviation = np.empty(basis.shape[0])
  deviation[order] = np.sqrt(np.mean(np.square(latents), axis=0))
  return rearrange(deviation, "(p q c) -> p q c", p=side, q=side)


def law(parameters: np.ndarray, side: int) -> np.ndarray:
  """log deviation [side, side, colour] of the power law."""
  *amplitude, decay, offset = parameters
  frequency = np.arange(side) / (2 * side)
  square = (
    frequency[:, None] ** 2
    + frequency[None, :] ** 2
    + (np.exp(offset) / side) ** 2
  )
  return np.asarray(amplitude) - 0.5 * decay * np.log(square)[..., None]


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("--clips", type=int, default=24)
  args = parser.parse_args()
  images = np.concatenate(
    [render_clip(7, scene, 8, 64).images for scene in range(args.clips)]
  )
  measured = {side: coefficients(images, side) for side in (8, 16, 32)}

  def misfit(parameters: np.ndarray) -> float:
    return float(
      sum(
        # Weighted by deviation: the low frequencies are the ones that are kept.
        np.average(
          np.square(np.log(measured[side]) - law(parameters, side)),
          weights=measured[side],
        )
        for side in measured
      )
    )

  start = np.array([-3.0, -4.0, -4.5, 1.2, -1.0])
  fit = minimize(misfit, start, method="Nelder-Mead", options={"maxiter": 4000})
  *amplitude, decay, offset = fit.x
  print("AMPLITUDE", tuple(round(float(np.exp(a)), 4) for a in amplitude))
  print("DECAY", round(float(decay), 3))
  print("BLOCK_OFFSET", round(float(np.exp(offset)), 3))
  print("mean level", round(float(images.mean() / 127.5 - 1.0), 3))
  for side, deviation in measured.items():
    for index in ((0, 0), (0, 1), (1, 1), (2, 3), (side // 2, side // 2)):
      fitted = np.exp(law(fit.x, side))[index]
      print(side, index, deviation[index].round(3), fitted.round(3))


if __name__ == "__main__":
  main()
