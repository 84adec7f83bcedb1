"""The paper's tables: what is measured where, and the published numbers.

Which index file made which row is inferred, not published
(docs/evaluation.md).
"""

import dataclasses
from collections.abc import Mapping

TPS = "tps"  # what scenetok pose-score --transfer measures


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
  paper: Mapping[str, float]
  others: Mapping[str, Mapping[str, float]] = dataclasses.field(
    default_factory=dict
  )
  shift: float | None = None


@dataclasses.dataclass(frozen=True)
class PaperTable:
  """A table of the paper."""

  name: str
  title: str
  settings: tuple[Setting, ...]


_FLOATS = 32_768
_RE10K = "va-videodc_re10k"

TABLES = (
  PaperTable(
    "re10k",
    "RealEstate10K, novel view synthesis",
    (
      Setting(
        "12 views",
        "re10k_c12_128",
        _RE10K,
        {
          "psnr": 23.99,
          "ssim": 0.783,
          "lpips": 0.159,
          "rfvd": 79.80,
          "rfid": 11.12,
          "representation_floats": _FLOATS,
        },
        {
          "DepthSplat": {
            "psnr": 21.55,
            "ssim": 0.809,
            "lpips": 0.202,
            "rfvd": 204.52,
            "rfid": 21.35,
            "representation_floats": 46.40e6,
          },
          "LVSM": {
            "psnr": 21.25,
            "lpips": 0.262,
            "rfvd": 211.66,
            "rfid": 26.40,
            "representation_floats": 1.57e6,
          },
        },
      ),
      Setting(
        "5 views",
        "re10k_c5_64",
        _RE10K,
        {
          "psnr": 25.97,
          "lpips": 0.133,
          "rfvd": 76.24,
          "rfid": 11.26,
          "representation_floats": _FLOATS,
        },
        {
          "LVSM": {
            "psnr": 25.74,
            "lpips": 0.140,
            "rfvd": 111.14,
            "rfid": 13.37,
            "representation_floats": 1.57e6,
          }
        },
      ),
    ),
  ),
  PaperTable(
    "dl3dv",
    "DL3DV-140",
    (
      Setting(
        "VA-VAE and Video DC-AE",
        "dl3dv_c16_32",
        "va-videodc_dl3dv",
        {"psnr": 21.95, "rfid": 19.12},
      ),
      Setting(
        "VA-VAE and Wan", "dl3dv_c16_34", "va-wan_dl3dv", {"rfid": 14.30}
      ),
    ),
  ),
  PaperTable(
    "acid",
    "ACID, zero shot",
    (
      Setting(
        "12 views",
        "acid_c12_128",
        _RE10K,
        {"psnr": 24.21, "rfvd": 246.51},
        {"LVSM": {"rfvd": 522.57}},
      ),
    ),
  ),
  PaperTable(
    "trajectories",
    "DL3DV-140, novel trajectories (TPS)",
    (
      Setting(
        "paired scenes",
        TPS,
        "va-videodc_dl3dv",
        {"racc@10": 0.7581, "auc@30": 0.593},
        {"LVSM": {"auc@30": 0.178}, "RayZer": {"auc@30": 0.096}},
      ),
    ),
  ),
  PaperTable(
    "generation",
    "RealEstate10K, scenes from a single view, 192 frames",
    (
      Setting(
        "timestep shift 12",
        "re10k_c1_192",
        "scenegen_shift12_re10k",
        {
          "gfid": 18.90,
          "gfvd": 157.89,
          "seconds_per_scene": 26.0,
          "generation_seconds_per_scene": 11.0,
          "rendering_seconds_per_scene": 15.0,
        },
        {
          "DFM": {
            "gfid": 52.64,
            "gfvd": 566.71,
            "seconds_per_scene": 630.0,
          },
          "DFoT": {
            "gfid": 35.40,
            "gfvd": 220.36,
            "seconds_per_scene": 146.0,
          },
          "SEVA": {
            "gfid": 17.69,
            "gfvd": 133.00,
            "seconds_per_scene": 1620.0,
          },
        },
        shift=12.0,
      ),
      Setting(
        "timestep shift 4",
        "re10k_c1_192",
        "scenegen_shift4_re10k",
        {"gfid": 19.04},
        shift=4.0,
      ),
      Setting(
        "timestep shift 1",
        "re10k_c1_192",
        "scenegen_shift1_re10k",
        {"gfid": 19.99},
        shift=1.0,
      ),
    ),
  ),
)
