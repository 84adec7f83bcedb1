"""What names a workdir: a folder, a shipped checkpoint, a model of the hub."""

import contextlib
import hashlib
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TypedDict

from tqdm import tqdm

from scenetok_jax.convert.compact import PARAMS_FILE
from scenetok_jax.reading.json_text import read_json
from scenetok_jax.reading.schema import Count, checked
from scenetok_jax.reading.shown import shown
from scenetok_jax.types import InputError, explained

# In a clone a link to the folder of that name at the top.
CHECKPOINTS = Path(__file__).parents[1] / "checkpoints"
SCHEME = "hf://"
HUB_FILE = "hub.json"
CONFIG_FILE = "config.json"
FILES = (CONFIG_FILE, PARAMS_FILE)  # what a model needs; nothing is unpickled
VERSION = 1
_PLACE = re.compile(r"(?:hf://)?([\w.-]+/[\w.-]+)(?:@([\w./-]+))?", re.ASCII)


class _Bar(tqdm):
  """On terminals alone, as everywhere."""

  def __init__(self, *args: Any, **kwargs: Any) -> None:
    super().__init__(*args, **{**kwargs, "disable": None})


class _Listed(TypedDict):
  """hub.json: SHA-256 of the files, identities of the codecs by part."""

  version: Count
  files: dict[str, str]
  codecs: dict[str, dict[str, Any]]


class Place(NamedTuple):
  """A repository, and a branch, tag or commit of it."""

  repo: str
  revision: str | None


def workdir(name: str | os.PathLike[str]) -> str:
  """A run's folder as it is, or the folder that another name stands for.

  "rooms" and "checkpoints/rooms" both name the shipped checkpoint where no such
  folder exists, and "rooms_generator" the generator on its tokens;
  hf://OWNER/NAME is a model of the hub, which is fetched.
  """
  name = os.fspath(name)
  if is_hub(name):
    return fetch(name)
  shipped = CHECKPOINTS / Path(name).name
  known = name in (shipped.name, f"checkpoints/{shipped.name}")
  if known and shipped.is_dir() and not Path(name).exists():
    return str(shipped.resolve())
  return name


def is_hub(name: str) -> bool:
  """Whether a workdir is named by its place on the hub."""
  return name.startswith(SCHEME)


def place(name: str) -> Place:
  """hf://OWNER/NAME[@REVISION], or without the scheme; else InputError."""
  match = _PLACE.fullmatch(name)
  if not match:
    raise InputError(
      f"{shown(name)}: not a place on the hub; give {SCHEME}OWNER/NAME, or"
      f" {SCHEME}OWNER/NAME@REVISION"
    )
  return Place(match[1], match[2])


def fetch(name: str) -> str:
  """The folder of a model of the hub, in the cache of huggingface_hub.

  What is there already is not fetched again, and serves where there is no
  network. Its files are those that hub.json lists, by their hashes.
  InputError: no such repository or revision, no network and no copy, a file
  that is missing or has another hash, or huggingface_hub is not installed.
  """
  repo, revision = place(name)
  with hub_errors(name):
    from huggingface_hub import snapshot_download

    folder = snapshot_download(
      repo,
      revision=revision,
      allow_patterns=[*FILES, HUB_FILE],
      tqdm_class=_Bar,
    )
  _check_files(name, Path(folder))
  return str(folder)


def check_codecs(
  name: str, folder: str, codecs: Mapping[str, Mapping[str, Any]]
) -> None:
  """InputError where codecs are not those that a model was trained with.

  codecs: identities by part, as hub.json holds them.
  """
  listed = _read(name, Path(folder))["codecs"]
  for part, ours in codecs.items():
    theirs = listed.get(part, ours)
    differ = [
      field
      for field in sorted(theirs.keys() | ours.keys())
      if theirs.get(field) != ours.get(field)
    ]
    if differ:
      raise InputError(
        f"{name}: codecs.{part}: {', '.join(differ)}: not what the model was"
        " trained with; convert the published codec again"
      )


def file_sha256(path: Path) -> str:
  """SHA-256 of a file's bytes."""
  with path.open("rb") as file:
    return hashlib.file_digest(file, "sha256").hexdigest()


def _read(name: str, folder: Path) -> _Listed:
  """hub.json, checked."""
  path, remedy = folder / HUB_FILE, "push it again with scenetok push"
  if not path.is_file():
    raise InputError(f"{name}: {HUB_FILE}: not there; {remedy}")
  found = checked(
    read_json(path, remedy), _Listed, f"{name}: {HUB_FILE}", remedy
  )
  if found["version"] != VERSION:
    raise InputError(
      f"{name}: {HUB_FILE}: not of version {VERSION}; {remedy}, or use a newer"
      " program"
    )
  return found


def _check_files(name: str, folder: Path) -> None:
  listed = _read(name, folder)["files"]
  for file in FILES:
    if file not in listed or not (folder / file).is_file():
      raise InputError(
        f"{name}: {file}: not there; push it again with scenetok push"
      )
    if file_sha256(folder / file) != listed[file]:
      raise InputError(
        f"{name}: {file}: not of the hash that {HUB_FILE} lists; delete"
        f" {folder.parents[1]} and load it again"
      )


@contextlib.contextmanager
def bars_on_terminals() -> Iterator[None]:
  """huggingface_hub draws no bars of uploads into log files."""
  from huggingface_hub import utils

  if sys.stderr.isatty() or utils.are_progress_bars_disabled():
    yield
    return
  utils.disable_progress_bars()
  try:
    yield
  finally:
    utils.enable_progress_bars()


@contextlib.contextmanager
def hub_errors(name: str) -> Iterator[None]:
  """InputErrors, of one line, for what the hub or the way there refuses."""
  remedy = "pip install -e '.[hub]'"
  with explained(f"{name}: needs huggingface-hub", remedy, ImportError):
    import httpx
    from huggingface_hub import constants, errors
  try:
    yield
  except InputError:
    raise
  except errors.RevisionNotFoundError as error:
    remedy = "give a branch, a tag or a commit of the repository"
    _refuse(name, "no such revision", remedy, error)
  except errors.RepositoryNotFoundError as error:
    problem = "no such repository, or none that this token may see"
    _refuse(name, problem, "check the name, or log in: hf auth login", error)
  except errors.LocalEntryNotFoundError as error:
    problem = (
      f"{constants.ENDPOINT} cannot be reached, and {constants.HF_HUB_CACHE}"
      " holds no whole copy"
    )
    _refuse(name, problem, "load it once with a network", error)
  except (httpx.HTTPError, OSError, ValueError) as error:
    # What the server says stands last.
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = (lines or [type(error).__name__])[-1][:200]
    problem = f"{constants.ENDPOINT} refused ({text})"
    _refuse(name, problem, "check the token and the network", error)


def _refuse(name: str, problem: str, remedy: str, error: Exception) -> NoReturn:
  raise InputError(f"{name}: {problem}; {remedy}") from error
