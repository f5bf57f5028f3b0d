"""The one thing of a kubelet that a person asks for: `kubectl logs`. Started by `cluster up`: `kubelet.py DIR`.

kube-apiserver fetches logs from the node of a pod, over TLS and with a certificate of its own, which is asked for.
"""

import http.server
import json
import ssl
import sys
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

PAUSE_S = 0.2
CHUNK = 1 << 16


class Kubelet(http.server.BaseHTTPRequestHandler):
    pods: Path

    def do_GET(self):
        """/containerLogs/NAMESPACE/POD/CONTAINER?follow=true&tailLines=N"""
        url = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        match url.path.split("/")[1:]:
            case ["containerLogs", namespace, pod, _]:
                log = self.pods / f"{namespace}-{pod}.log"
            case _:
                return self.send_error(404, "only logs are served here")
        if log.parent != self.pods or not log.exists():
            return self.send_error(404, "there is no such log")
        self.send_response(200)
        self.send_header("content-type", "text/plain")
        self.end_headers()
        with open(log, "rb") as file:
            if "tailLines" in asked:
                lines = file.readlines()
                self.wfile.write(b"".join(lines[max(0, len(lines) - int(asked["tailLines"])):]))
            self.copy(file, log, follow=asked.get("follow") == "true")

    def copy(self, file, log, follow):
        while True:
            part = file.read(CHUNK)
            self.wfile.write(part)
            if part:
                continue
            if not follow or not (log.with_suffix("") / "pod.json").exists():
                return
            self.wfile.flush()
            time.sleep(PAUSE_S)

    def log_message(self, form, *arguments):
        print(form % arguments, flush=True)


def main(folder):
    state = json.loads((folder / "state.json").read_text())
    Kubelet.pods = folder / "pods"
    server = http.server.ThreadingHTTPServer((state["ip"], state["kubelet"]), Kubelet)
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trust.load_cert_chain(folder / "tls/apiserver.crt", folder / "tls/apiserver.key")
    trust.load_verify_locations(folder / "tls/kubernetes.crt")
    trust.verify_mode = ssl.CERT_REQUIRED
    server.socket = trust.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
