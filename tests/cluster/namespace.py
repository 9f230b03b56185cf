"""Sockets of another network namespace: a socket stays in the namespace that it was made in (network_namespaces(7))."""

import ctypes
import socket
import threading

CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)


def socket_in(namespace, family=socket.AF_INET, kind=socket.SOCK_STREAM):
    """A socket of the named namespace (ip-netns(8)), or of this one if the name is None. The calling thread comes back."""
    if namespace is None:
        return socket.socket(family, kind)
    with open(f"/proc/self/task/{threading.get_native_id()}/ns/net", "rb") as here, \
            open(f"/run/netns/{namespace}", "rb") as there:
        _enter(there, namespace)
        try:
            return socket.socket(family, kind)
        finally:
            _enter(here, "the one before")


def _enter(file, name):
    if _LIBC.setns(file.fileno(), CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), f"setns: network namespace {name}")
