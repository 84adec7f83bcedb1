"""The seven released checkpoints: what each is, and what belongs to it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from scenetok_jax.types import InputError
from scenetok_jax.workdir import release


class Released(NamedTuple):
  """One checkpoint of the release.

  config: built-in configuration to convert it with. codecs: published names,
  of context and target. tables: what it reproduces, by evaluate's protocol.
  tokenizer: the checkpoint whose tokens it generates.
  """

  config: str
  codecs: tuple[str, str]
  tables: Mapping[str, str]
  tokenizer: str | None = None


_VIDEO_DC, _WAN = ("va_vae", "video_dc_ae"), ("va_vae", "wan_vae")
_SCENE = "va-videodc_re10k_scene"
RELEASED = {
  "va-videodc_re10k": Released(
    "scenetok_re10k",
    _VIDEO_DC,
    {
      "re10k_c12_128": "RealEstate10K, 12 views",
      "re10k_c5_64": "RealEstate10K, 5 views",
      "acid_c12_128": "ACID, zero shot",
    },
  ),
  "va-videodc_dl3dv": Released(
    "scenetok_dl3dv_videodc",
    _VIDEO_DC,
    {"dl3dv_c16_32": "DL3DV-140, Video DC-AE"},
  ),
  "va-wan_dl3dv": Released(
    "scenetok_dl3dv_wan", _WAN, {"dl3dv_c16_34": "DL3DV-140, Wan"}
  ),
  _SCENE: Released("scenetok_re10k", _VIDEO_DC, {}),
  **{
    f"scenegen_shift{shift}_re10k": Released(
      f"scenegen_re10k:shift{shift}",
      _VIDEO_DC,
      {"re10k_c1_192": f"RealEstate10K, generation, shift {shift}"},
      _SCENE,
    )
    for shift in (1, 4, 12)
  },
}


def tokenizer_of(source: str | os.PathLike, folder: str | None) -> str:
  """What is to be known of the tokenizer of a SceneGen checkpoint; a line.

  source: its file. folder: config.tokenizer_from, where it is set.

  Raises:
    InputError: the folder was converted from a released checkpoint whose
      tokens this one does not generate.
  """
  entry = RELEASED.get(Path(source).stem)
  wanted = (entry and entry.tokenizer) or _SCENE
  text = (
    f"tokenizer: the released SceneGen checkpoints generate the tokens of"
    f" {wanted}.ckpt and of no other"
  )
  if not folder:
    return f"{text}; name its folder in config.tokenizer_from"
  given = Path(release.source_of(folder) or "").stem
  if entry and given in RELEASED and given != wanted:
    raise InputError(
      f"config.tokenizer_from: {folder} is {given}.ckpt, but"
      f" {Path(source).name} generates tokens of {wanted}.ckpt; convert that"
      " and name its folder"
    )
  return f"{text}; {folder} is {given + '.ckpt' if given else 'of your own'}"
