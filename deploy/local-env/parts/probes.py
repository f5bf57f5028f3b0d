"""A container's probes, as a kubelet makes them."""

import socket
import subprocess
import urllib.error
import urllib.request

from .home import Failure

TIMEOUT_S = 2
EMPTY_MESSAGE = b"\0\0\0\0\0"
SERVING = b"\0\0\0\0\x02\x08\x01"  # grpc.health.v1.HealthCheckResponse{status: SERVING}


def passes(probe, ip, port_number):
    """Whether `probe` passes now; `port_number` finds the number of a port's name."""
    if probe is None:
        return True
    if http := probe.get("httpGet"):
        return answers_http(f"http://{ip}:{port_number(http['port'])}{http.get('path', '/')}")
    if grpc := probe.get("grpc"):
        return answers_grpc(f"{ip}:{grpc['port']}")
    if tcp := probe.get("tcpSocket"):
        return accepts(ip, port_number(tcp["port"]))
    raise Failure(f"a probe by {', '.join(probe)} is not played here: use httpGet, grpc or tcpSocket")


def answers_http(url):
    try:
        return urllib.request.urlopen(url, timeout=TIMEOUT_S).status < 400
    except (urllib.error.URLError, OSError):
        return False


def answers_grpc(address):
    """`grpc.health.v1.Health/Check` of the whole server; curl is the HTTP/2 client that every machine has."""
    curl = ["curl", "--silent", "--http2-prior-knowledge", "--max-time", str(TIMEOUT_S), "--data-binary", "@-",
            "-H", "content-type: application/grpc", "-H", "te: trailers", f"http://{address}/grpc.health.v1.Health/Check"]
    return subprocess.run(curl, input=EMPTY_MESSAGE, capture_output=True).stdout == SERVING


def accepts(ip, port):
    try:
        socket.create_connection((ip, port), TIMEOUT_S).close()
    except OSError:
        return False
    return True
