"""Does the variance of samples rise as scene tokens are removed?"""

import dataclasses

from scenetok_jax.analyses import sweep
from scenetok_jax.analyses.findings import Findings, Tell
from scenetok_jax.analyses.novel_views import novel_views
from scenetok_jax.analyses.sampler import VideoSampler, encode
from scenetok_jax.analyses.sweep import Level, SweepOptions
from scenetok_jax.analyses.token_masks import MASKS, mask_tokens
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.reading.schema import Percent
from scenetok_jax.reading.shown import say
from scenetok_jax.types import InputError, option


@dataclasses.dataclass(frozen=True)
class MaskingOptions(SweepOptions):
  """Shares in percent, at least three of them."""

  masked: tuple[Percent, ...] = option(
    (0, 20, 40, 60, 80, 100),
    "shares of the tokens to remove",
    metavar="PERCENT",
  )
  mask: str = option("drop", "remove or set to zero", choices=MASKS)

  def __post_init__(self) -> None:
    super().__post_init__()
    if not all(0 <= percent <= 100 for percent in self.masked):
      shares = list(self.masked)
      raise InputError(f"--masked: {shares} must lie between 0 and 100")
    sweep.check_levels("--masked", self.masked)


def run(
  scenetok: SceneTok, options: MaskingOptions, tell: Tell = say
) -> Findings:
  """Variance and PSNR at every share of masked tokens."""
  videos = options.batch * options.samples
  with scenetok.placed(videos) as scenetok:
    views = novel_views(scenetok, options)
    encoded = encode(scenetok, views.context, options.seed)
    levels = [
      Level(
        percent,
        f"{percent:g} % masked",
        dataclasses.replace(
          encoded,
          tokens=mask_tokens(
            encoded.tokens, percent / 100, options.seed, options.mask
          ),
        ),
      )
      for percent in options.masked
    ]
    found = sweep.run_levels(views, VideoSampler.of(scenetok, options), levels)
  return sweep.findings(
    "masking",
    found,
    options,
    "variance rises as tokens are masked",
    sign=1,
    label=f"tokens masked ({options.mask}), %",
    tell=tell,
  )
