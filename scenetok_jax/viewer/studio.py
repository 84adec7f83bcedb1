"""What the pages of all clients share: a model, its scenes, one worker."""

from typing import Protocol

from scenetok_jax.inference.changes import SamplingChanges
from scenetok_jax.inference.live import LiveRenderer, Pause
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.sampling.slices import Progress, silent
from scenetok_jax.viewer.answers import Answer, Request, answer
from scenetok_jax.viewer.library import Library, ViewerChoice, library
from scenetok_jax.viewer.slots import Client
from scenetok_jax.viewer.worker import Worker


class Screen(Protocol):
  """A client's page, as the worker sees it."""

  def show(self, answer: Answer) -> None:
    """Shows a view."""

  def compare(self, request: Request, pause: Pause) -> None:
    """Shows what else is to be seen from a camera at rest."""

  def tell(self, line: str) -> None:
    """Shows a line of news."""

  def fail(self, line: str) -> None:
    """Shows what went wrong."""


class Studio:
  """A model at work for any number of pages; close it at the end.

  Raises InputError: scenes that cannot be offered.
  """

  def __init__(
    self, scenetok: SceneTok, choice: ViewerChoice, progress: Progress = silent
  ):
    self.scenetok, self.renderer = scenetok, LiveRenderer(scenetok)
    self.library: Library = library(scenetok, self.renderer, choice)
    self.worker = Worker(self._view, self._failed)
    self._screens: dict[Client, Screen] = {}
    self._compile(progress)
    self.worker.start()

  @property
  def guides(self) -> bool:
    """Whether the renderer can be guided."""
    return bool(self.scenetok.model.decoder.null_token)

  def enter(self, client: Client, screen: Screen) -> None:
    """From here on its page is served."""
    self._screens[client] = screen
    self.worker.slots.add(client)

  def leave(self, client: Client) -> None:
    """Drops a client's work, what is running included."""
    self.worker.slots.drop(client)
    self._screens.pop(client, None)

  def close(self) -> None:
    """Ends the worker."""
    self.worker.close()

  def _compile(self, progress: Progress) -> None:
    """Moving and resting cameras share a program; guided ones have another."""
    wanted = [SamplingChanges()]
    if self.guides:
      guided = self.scenetok.config.sampling.guidance > 1
      wanted.append(SamplingChanges(guidance=1.0 if guided else 2.0))
    progress(0, len(wanted))
    for done, sampling in enumerate(wanted):
      self.renderer.warm(sampling)
      progress(done + 1, len(wanted))

  def _view(
    self, client: Client, request: Request, rests: bool, pause: Pause
  ) -> None:
    screen = self._screens.get(client)
    if screen is None:
      return
    if not self.renderer.ready(request.sampling):
      screen.tell("compiling ...")
      self.renderer.warm(request.sampling)
      screen.tell("")
    screen.show(answer(self.renderer, request, rests, pause))
    if rests:
      screen.compare(request, pause)

  def _failed(self, client: Client, line: str) -> None:
    if screen := self._screens.get(client):
      screen.fail(line)
