"""etcd, kube-apiserver, and minictl: three controllers of kube-controller-manager (namespaces, garbage, ServiceAccounts)."""

import base64
import json
import ssl
import sys
import urllib.error
import urllib.request

from . import certificates
from .home import HERE, NODE, program, wait_until
from .loopback import address, free_ports
from .processes import Processes

SOCKET = "unix://etcd.sock"  # relative: a path is limited to 108 bytes
PEER = "unix://peer.sock"


def up(home):
    ip = address()
    port, kubelet = free_ports(ip, 2)
    home.save(ip=ip, apiserver=port, kubelet=kubelet)
    home.hosts.write_text(f"127.0.0.1 localhost\n{ip} kubernetes.default.svc kubernetes.default\n")
    make_certificates(home, ip)
    write_kubeconfig(home, ip, port)
    processes = Processes(home)
    processes.start("etcd", program("etcd"), "--name=local", f"--data-dir={home.path}/etcd", "--unsafe-no-fsync",
                    "--log-level=error", f"--listen-client-urls={SOCKET}", f"--advertise-client-urls={SOCKET}",
                    f"--listen-peer-urls={PEER}", f"--initial-advertise-peer-urls={PEER}",
                    f"--initial-cluster=local={PEER}", cwd=home.path)
    tls = home.tls
    # Nothing here sends to Services' addresses, and there is no kubelet to hand out tokens: `pod` asks for its own.
    processes.start("apiserver", program("kube-apiserver"), f"--etcd-servers={SOCKET}", f"--bind-address={ip}",
                    f"--secure-port={port}", f"--advertise-address={ip}", "--endpoint-reconciler-type=none",
                    f"--tls-cert-file={tls}/apiserver.crt", f"--tls-private-key-file={tls}/apiserver.key",
                    f"--client-ca-file={tls}/kubernetes.crt", "--authorization-mode=RBAC",
                    "--disable-admission-plugins=ServiceAccount", f"--service-account-issuer=https://{ip}:{port}/",
                    f"--service-account-key-file={tls}/serviceaccount.pub",
                    f"--service-account-signing-key-file={tls}/serviceaccount.key",
                    "--service-cluster-ip-range=10.0.0.0/24", f"--cert-dir={home.path}/run",
                    f"--kubelet-client-certificate={tls}/admin.crt", f"--kubelet-client-key={tls}/admin.key", cwd=home.path)
    wait_until_ready(home, processes, f"https://{ip}:{port}/readyz")
    processes.start("minictl", program("minictl"), home.kubeconfig)
    processes.start("kubelet", sys.executable, HERE / "parts/kubelet.py", home.path)
    register_node(home, ip, kubelet)


def register_node(home, ip, kubelet):
    """Where `kubectl logs` finds the logs; `pod` puts its pods on this node."""
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}}
    home.kubectl("create", "-f", "-", given=json.dumps(node))
    status = {"addresses": [{"type": "InternalIP", "address": ip}], "conditions": [{"type": "Ready", "status": "True"}],
              "daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet}}}
    home.kubectl("patch", "node", NODE, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))


def make_certificates(home, ip):
    certificates.authority(home.tls, "kubernetes", file="kubernetes")
    names = f"subjectAltName=IP:{ip},DNS:kubernetes.default.svc,DNS:localhost"
    certificates.issue(home.tls, "apiserver", "/CN=kube-apiserver", names, "extendedKeyUsage=serverAuth", by="kubernetes")
    certificates.issue(home.tls, "admin", "/O=system:masters/CN=admin", "extendedKeyUsage=clientAuth", by="kubernetes")
    certificates.key(home.tls, "serviceaccount")
    certificates.openssl(home.tls, "pkey", "-in", "serviceaccount.key", "-pubout", "-out", "serviceaccount.pub")


def wait_until_ready(home, processes, url):
    trust = ssl.create_default_context(cafile=home.tls / "kubernetes.crt")

    def ready():
        processes.check("etcd")
        processes.check("apiserver")
        try:
            return urllib.request.urlopen(url, context=trust, timeout=2).read() == b"ok"
        except (urllib.error.URLError, OSError):
            return False

    wait_until("kube-apiserver is ready", ready)


def write_kubeconfig(home, ip, port):
    def data(file):
        return base64.b64encode((home.tls / file).read_bytes()).decode()

    cluster = {"server": f"https://{ip}:{port}", "certificate-authority-data": data("kubernetes.crt")}
    user = {"client-certificate-data": data("admin.crt"), "client-key-data": data("admin.key")}
    home.kubeconfig.touch(mode=0o600)
    home.kubeconfig.write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "local",
        "contexts": [{"name": "local", "context": {"cluster": "local", "user": "admin", "namespace": "default"}}],
        "clusters": [{"name": "local", "cluster": cluster}],
        "users": [{"name": "admin", "user": user}],
    }, indent=1))
