"""RealEstate10K as scenes to prepare: published chunks, or camera texts."""

import dataclasses
import functools
import os
from pathlib import Path

from data_pipelines.sources import re10k_chunks, re10k_texts, video
from data_pipelines.sources.posed_clips import PosedClip
from data_pipelines.sources.video import FoundClips, VideoOptions
from data_pipelines.storage.recipes import SplitPlan
from scenetok_jax.types import InputError


def plan(
  source: str | os.PathLike | None,
  split: str,
  options: VideoOptions,
  dataset: str = "re10k",
) -> SplitPlan:
  """The scenes of a split.

  SOURCE/<split> (or SOURCE itself) holds *.torch chunks with index.json, or
  camera texts.

  Raises:
    InputError: there is no such data.
  """
  root = video.check_source(dataset, source, split)
  folder = video.split_folder(root, split)
  if any(folder.glob("*.torch")) or (folder / re10k_chunks.INDEX).exists():
    found = _find_chunks(folder)
  else:
    found = _find_texts(root, split)
  return video.plan_clips(dataset, root, split, options, found)


def _find_chunks(folder: Path) -> FoundClips:
  index = re10k_chunks.read_index(folder)
  listed: dict[str, list[str]] = {}
  for key, name in index:
    listed.setdefault(name, []).append(key)
  clips = []
  for key, name in index:
    # The first scene of a chunk tells of those that the index forgot.
    keys = frozenset(listed.pop(name, ()))
    load = functools.partial(_load_chunk, folder / name, key, keys)
    clips.append((key, load))
  files = [*folder.glob("*.torch"), folder / re10k_chunks.INDEX]
  return FoundClips(clips, files)


def _load_chunk(path: Path, key: str, listed: frozenset[str]) -> PosedClip:
  clip = re10k_chunks.load_scene(path, key)
  forgotten = sorted(re10k_chunks.unlisted(path, set(listed))) if listed else []
  if not forgotten:
    return clip
  note = (
    f"{path.name} holds {len(forgotten)} scenes that {re10k_chunks.INDEX} does"
    f" not list, left out ({forgotten[0]!r}{', ...' if forgotten[1:] else ''})"
  )
  return dataclasses.replace(clip, warnings=(*clip.warnings, note))


def _find_texts(source: Path, split: str) -> FoundClips:
  texts = re10k_texts.texts(source, split)
  if not texts:
    raise InputError(
      f"{source}: --source: neither {split}/*.torch with {re10k_chunks.INDEX}"
      f" nor {split}/*.txt in it; check the path and --split"
    )
  load = re10k_texts.load_scene
  clips = [(p.stem, functools.partial(load, p, split)) for p in texts]
  return FoundClips(clips, texts)
