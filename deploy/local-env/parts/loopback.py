"""Loopback addresses of one's own: all of 127.0.0.0/8 is this machine, so ports keep their real numbers."""

import errno
import os
import random
import socket

from .home import Failure

TRIES = 50


def address(*ports):
    """An address on which nothing listens, and on which each of `ports` is free."""
    for _ in range(TRIES):
        ip = f"127.{random.randint(1, 254)}.{random.randint(0, 255)}.{random.randint(1, 254)}"
        errors = [(port, error) for port in ports if (error := bind_error(ip, port))]
        if not errors:
            return ip
    port, error = errors[0]
    if error == errno.EACCES:
        raise Failure(f"port {port} is not for this user: run as root, or sysctl net.ipv4.ip_unprivileged_port_start={port}")
    raise Failure(f"port {port} is taken on every loopback address ({os.strerror(error)}): stop what listens on "
                  f"0.0.0.0:{port} (ss -ltnp 'sport = :{port}' finds it)")


def free_ports(ip, count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind((ip, 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def bind_error(ip, port):
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((ip, port))
        except OSError as error:
            return error.errno
    return None
