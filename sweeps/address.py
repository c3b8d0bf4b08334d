"""Which Ray a sweep runs on: this machine's own, or the cluster that RAY_ADDRESS names.

Ray itself takes minutes to say that nobody answers, and then ends the process. So the
address is looked at first, without Ray.
"""

import os
import socket

VARIABLE = "RAY_ADDRESS"
ANSWER_SECONDS = 10.0
"""A cluster that does not answer for so long is not there."""
GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")
"""How clients of HTTP/2 begin (RFC 9113, 3.4), and so those of gRPC: a preface, empty settings."""
SETTINGS = 4
"""The type of the frame that such a server answers with, byte 3 of the answer (RFC 9113, 4.1)."""


def is_named() -> bool:
    """Whether RAY_ADDRESS names a cluster, be it there or not."""
    return os.environ.get(VARIABLE, "") not in ("", "local")


def cluster() -> str | None:
    """The address of the cluster to run on, `auto` or host:port; None for this machine alone.

    Raises ValueError where no sweep can be driven through what RAY_ADDRESS says, or no
    cluster answers there.
    """
    if not is_named():
        return None
    address = os.environ[VARIABLE]
    if address == "auto":
        return address
    if "://" in address:
        raise _mistake(address, *_OF_SCHEMES.get(address.split("://")[0], _UNKNOWN))
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise _mistake(address, *_UNKNOWN)
    try:
        there = answers(address)
    except OSError as error:
        raise _mistake(address, f"nobody answers there ({error})", _REMEDY) from error
    if not there:
        raise _mistake(address, "what answers there is no Ray cluster", _REMEDY)
    return address


_REMEDY = (
    "start the cluster (ray up sweep.yaml), or give the address that `ray start --head` said, "
    "with port 6379 where you chose no other"
)
_UNKNOWN = "is no address of a cluster", "give host:port, or auto on a machine of the cluster"
_HEAD = (
    "run it on a machine of the cluster with RAY_ADDRESS=auto, or send it there: "
    "python -m sweeps submit SPEC, or ray job submit --address http://HEAD:8265 "
    "--working-dir . -- python -m sweeps run SPEC"
)
_OF_SCHEMES = {
    "ray": ("is for Ray Client, through which no sweep can be driven", _HEAD),
    "http": ("is for jobs, and no sweep can be driven through it", _HEAD),
    "https": ("is for jobs, and no sweep can be driven through it", _HEAD),
}


def _mistake(address: str, rule: str, remedy: str) -> ValueError:
    return ValueError(f"{VARIABLE} {address}: {rule}; {remedy}")


def answers(where: str) -> bool:
    """Whether a server of gRPC answers at host:port; raises OSError where none of any kind does."""
    host, _, port = where.rpartition(":")
    place = host.strip("[]"), int(port)
    with socket.create_connection(place, timeout=ANSWER_SECONDS) as connection:
        if os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true"):
            return True  # It waits for a handshake that Ray will make.
        connection.sendall(GREETING)
        with connection.makefile("rb") as answer:
            head = answer.read(4)
    return len(head) == 4 and head[3] == SETTINGS
