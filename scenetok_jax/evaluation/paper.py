"""The paper's tables: what is measured where, and the published numbers.

Which index file made which row, and which row's MEt3R is given, is inferred,
not published (docs/evaluation.md).
"""

import dataclasses
from collections.abc import Mapping

TPS = "tps"  # what scenetok pose-score --transfer measures
Numbers = Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class Setting:
  """One of our rows: a protocol and what the paper has for it.

  model: the released checkpoint; rows of one table with the same model must
  be of the same checkpoint. shift: of generation, where that tells rows apart.
  others: published numbers of other methods in the same setting.
  """

  title: str
  protocol: str
  model: str
  paper: Numbers
  others: Mapping[str, Numbers]
  shift: float | None = None


@dataclasses.dataclass(frozen=True)
class PaperTable:
  """A table of the paper."""

  name: str
  title: str
  settings: tuple[Setting, ...]


def _numbers(text: str) -> dict[str, float]:
  """ "psnr 23.99 ssim 0.783" -> {"psnr": 23.99, "ssim": 0.783}."""
  words = text.split()
  return dict(zip(words[::2], map(float, words[1::2]), strict=True))


def _setting(
  title: str,
  protocol: str,
  model: str,
  paper: str,
  shift: float | None = None,
  **others: str,
) -> Setting:
  """paper, others: "measure number ..." of the method and of each other."""
  rest = {method: _numbers(text) for method, text in others.items()}
  return Setting(title, protocol, model, _numbers(paper), rest, shift)


def _generated(shift: int, paper: str, **others: str) -> Setting:
  model = f"scenegen_shift{shift}_re10k"
  title = f"timestep shift {shift}"
  return _setting(title, "re10k_c1_192", model, paper, float(shift), **others)


_RE10K = "va-videodc_re10k"
TABLES = (
  PaperTable(
    "re10k",
    "RealEstate10K, novel view synthesis",
    (
      _setting(
        "12 views",
        "re10k_c12_128",
        _RE10K,
        "psnr 23.99 ssim 0.783 lpips 0.159 rfvd 79.80 rfid 11.12"
        " representation_floats 32768",
        DepthSplat="psnr 21.55 ssim 0.809 lpips 0.202 rfvd 204.52 rfid 21.35"
        " representation_floats 46.40e6",
        LVSM="psnr 21.25 lpips 0.262 rfvd 211.66 rfid 26.40"
        " representation_floats 1.57e6",
      ),
      _setting(
        "5 views",
        "re10k_c5_64",
        _RE10K,
        "psnr 25.97 lpips 0.133 rfvd 76.24 rfid 11.26"
        " representation_floats 32768",
        LVSM="psnr 25.74 lpips 0.140 rfvd 111.14 rfid 13.37"
        " representation_floats 1.57e6",
      ),
    ),
  ),
  PaperTable(
    "dl3dv",
    "DL3DV-140",
    (
      _setting(
        "VA-VAE and Video DC-AE",
        "dl3dv_c16_32",
        "va-videodc_dl3dv",
        "psnr 21.95 rfid 19.12 met3r 0.0538",
      ),
      _setting("VA-VAE and Wan", "dl3dv_c16_34", "va-wan_dl3dv", "rfid 14.30"),
    ),
  ),
  PaperTable(
    "acid",
    "ACID, zero shot",
    (
      _setting(
        "12 views",
        "acid_c12_128",
        _RE10K,
        "psnr 24.21 rfvd 246.51 met3r 0.0133",
        LVSM="rfvd 522.57",
      ),
    ),
  ),
  PaperTable(
    "trajectories",
    "DL3DV-140, novel trajectories (TPS)",
    (
      _setting(
        "paired scenes",
        TPS,
        "va-videodc_dl3dv",
        "racc@10 0.7581 auc@30 0.593",
        LVSM="auc@30 0.178",
        RayZer="auc@30 0.096",
      ),
    ),
  ),
  PaperTable(
    "generation",
    "RealEstate10K, scenes from a single view, 192 frames",
    (
      _generated(
        12,
        "gfid 18.90 gfvd 157.89 met3r 0.0149 seconds_per_scene 26"
        " generation_seconds_per_scene 11 rendering_seconds_per_scene 15",
        DFM="gfid 52.64 gfvd 566.71 seconds_per_scene 630",
        DFoT="gfid 35.40 gfvd 220.36 seconds_per_scene 146",
        SEVA="gfid 17.69 gfvd 133.00 seconds_per_scene 1620",
      ),
      _generated(4, "gfid 19.04"),
      _generated(1, "gfid 19.99"),
    ),
  ),
)
