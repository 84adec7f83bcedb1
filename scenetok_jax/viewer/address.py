"""Where the page is served, and who that lets in."""

import dataclasses
import ipaddress
from typing import Annotated

from scenetok_jax.reading.schema import Between
from scenetok_jax.types import option

Port = Annotated[int, Between(0, 65535)]


@dataclasses.dataclass(frozen=True)
class Address:
  """Where the page is served."""

  host: str = option(
    "127.0.0.1", "address to listen on; others than this reach the network"
  )
  port: Port = option(8080, "0 for any that is free")


def is_local(host: str) -> bool:
  """Whether a host is this machine to itself alone."""
  try:
    return ipaddress.ip_address(host).is_loopback
  except ValueError:
    return host == "localhost"
