"""Standard streams that are closed, full, or that nobody reads any more."""

import errno
import io
import os
import sys
from collections.abc import Callable
from typing import Any

_ERRORS = (errno.EPIPE, errno.ENOSPC, errno.EIO, errno.EBADF)
_UNREAD = 141  # what a shell says of a process that SIGPIPE ended


class StreamError(OSError):
  """A standard stream cannot be written, which is no fault of any file."""

  of_a_stream = True  # io.storage_reason looks for it


class _Stream(io.FileIO):
  """A descriptor that raises StreamError."""

  def write(self, data: Any) -> int:
    try:
      return super().write(data)
    except OSError as error:
      raise StreamError(error.errno, error.strerror) from None


def guarded(call: Callable[[], Any]) -> int:
  """The exit code of a command, whatever happens to its streams.

  call: runs it; None and what it returns are codes. 141 where nobody reads
  what it prints (`| head`), 2 and one line where that cannot be written
  (`> /dev/full`), both without a traceback. Closed streams swallow the text.
  """
  _open_closed()
  try:
    code = _code(call)
    sys.stdout.flush()
    return code
  except OSError as error:
    told = error.filename is None and error.errno in _ERRORS
    if not told or not (_silenced("stdout") or _silenced("stderr")):
      raise
    if error.errno == errno.EPIPE:
      return _UNREAD
    reason = f"standard output: cannot be written ({error.strerror})"
    print(f"scenetok: error: {reason}; free space there", file=sys.stderr)
    return 2


def _code(call: Callable[[], Any]) -> int:
  try:
    return call() or 0
  except SystemExit as end:  # argparse's, after --help
    if isinstance(end.code, int | None):
      return end.code or 0
    print(end.code, file=sys.stderr)
    return 1


def _open_closed() -> None:
  """Gives closed descriptors to /dev/null: the next file would get them.

  What a library writes to descriptor 2 would land in that file.
  """
  for number in range(3):
    try:
      os.fstat(number)
    except OSError:
      os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
  for name in ("stdout", "stderr"):
    if getattr(sys, name) is None:
      setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    else:
      setattr(sys, name, _told(getattr(sys, name)))


def _told(stream: Any) -> Any:
  """The stream, with errors of its own kind where it is a process's own.

  Names that a terminal's encoding lacks are escaped.
  """
  if hasattr(stream, "reconfigure"):
    stream.reconfigure(errors="backslashreplace")
  buffer = getattr(stream, "buffer", None)
  raw = getattr(buffer, "raw", buffer)  # itself where PYTHONUNBUFFERED is set
  if type(stream) is not io.TextIOWrapper or type(raw) is not io.FileIO:
    return stream  # a test's, a notebook's, or done already
  stream.flush()
  binary = io.BufferedWriter(_Stream(raw.fileno(), "w", closefd=False))
  flush = stream.line_buffering or raw is buffer
  return io.TextIOWrapper(
    binary, stream.encoding, stream.errors, line_buffering=flush
  )


def _silenced(name: str) -> bool:
  """Whether a stream cannot be written; then it swallows the rest."""
  stream = getattr(sys, name)
  try:
    stream.flush()
    os.write(stream.fileno(), b"\n")  # what failed may no longer be in a buffer
    return False
  except OSError:
    # Python flushes it once more at its end.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
    return True
