"""istiod with its CRDs and its validation, and one stock Envoy as the proxy of each Gateway."""

import base64
import os
import shutil
import urllib.error
import urllib.request

from . import certificates
from .home import asset, filled, program, wait_until
from .loopback import address, free_ports
from .processes import Processes

GATEWAY_PORT = 8080
GATEWAY_PORTS = (GATEWAY_PORT, 8443)
ESTABLISHED = ('{{range .items}}{{with .status}}{{range .conditions}}{{if eq .type "Established"}}{{.status}} '
               "{{end}}{{end}}{{end}}{{end}}")
# What stock Envoy lacks and Istio's has
STOCK_ENVOY = {"PILOT_ENABLE_METADATA_EXCHANGE": "false", "PILOT_ENABLE_ALPN_FILTER": "false"}


def up(home):
    """istiod, validating; from then on Istio's objects change the proxies there are."""
    ip = home.state()["ip"]
    names = ("http", "monitoring", "webhook", "xds", "sds", "dns")
    ports = dict(zip(names, free_ports(ip, len(names))))
    home.save(**ports)
    processes = Processes(home)
    processes.start("agentstub", program("agentstub"), "-sds", f"{ip}:{ports['sds']}", "-ca", home.tls / "ca.crt",
                    "-dns", f"{ip}:{ports['dns']}", "-hosts", home.hosts)
    home.kubectl("create", "namespace", "istio-system")
    apply_crds(home)
    start_istiod(home, processes, ip, ports)
    home.apply(filled("system.yaml.in"))
    wait_until_answers(f"http://{ip}:{ports['http']}/ready", processes, "istiod")
    home.apply(filled("webhook.yaml.in", ISTIOD=ip, WEBHOOK=ports["webhook"]))
    secret = home.read("get", "secret", "-n", "istio-system", "istio-ca-secret")["data"]
    for file, name in (("istio.crt", "ca-cert.pem"), ("istio.key", "ca-key.pem")):
        (home.tls / file).write_bytes(base64.b64decode(secret[name]))


def apply_crds(home):
    folder = asset("ISTIO_ASSETS") / "crds"
    home.kubectl("apply", "--server-side", "-f", folder)
    wanted = sum(file.read_text().count("\nkind: CustomResourceDefinition") for file in folder.iterdir())
    # 'kubectl wait crd --all' takes seconds longer
    wait_until("the CRDs are established",
               lambda: home.kubectl("get", "crd", "-o", f"go-template={ESTABLISHED}").count("True") >= wanted)


def start_istiod(home, processes, ip, ports):
    folder = home.path / "istiod"  # istiod reads ./var/lib/istio/inject
    shutil.copytree(asset("ISTIO_ASSETS") / "inject", folder / "var/lib/istio/inject", dirs_exist_ok=True)
    (folder / "mesh.yaml").write_text("enableAutoMtls: false\n")
    # REVISION: istiod looks for its webhook by it
    env = os.environ | STOCK_ENVOY | {"POD_NAME": "istiod-0", "POD_NAMESPACE": "istio-system", "REVISION": "default",
                                      "ISTIOD_CUSTOM_HOST": ip}
    env.pop("KUBERNETES_SERVICE_HOST", None)
    processes.start("istiod", program("pilot-discovery"), "discovery", "--kubeconfig", home.kubeconfig,
                    "--meshConfig", "mesh.yaml", "--grpcAddr=", "--httpAddr", f"{ip}:{ports['http']}",
                    "--monitoringAddr", f"{ip}:{ports['monitoring']}", "--httpsAddr", f"{ip}:{ports['webhook']}",
                    "--secureGRPCAddr", f"{ip}:{ports['xds']}", "--ctrlz_port", "0", cwd=folder, env=env)


def start_proxy(home, gateway, also=None):
    """The Envoy of the Gateway `NAMESPACE/NAME`, which may come later; gives the proxy's address.

    Its ports listen on that address; `also` (IP:PORT) is one more for port 8080.
    """
    namespace, name = gateway.split("/")
    ip, state, processes = address(*GATEWAY_PORTS), home.state(), Processes(home)
    admin, = free_ports(ip, 1)
    certificate = f"proxy-{namespace}-{name}"
    identity = f"subjectAltName=critical,URI:spiffe://cluster.local/ns/{namespace}/sa/{name}-istio"
    certificates.issue(home.tls, certificate, "/", identity, "extendedKeyUsage=clientAuth,serverAuth", by="istio")
    values = {"IP": ip, "NAMESPACE": namespace, "GATEWAY": name, "ADMIN": admin, "ISTIOD": state["ip"],
              "XDS": state["xds"], "SDS": state["sds"], "DNS": state["dns"], "GATEWAY_PORT": GATEWAY_PORT,
              "CERTIFICATE": home.tls / certificate, "ISTIO_CA": home.tls / "istio.crt"}
    objects = filled("proxy.yaml.in", **values)
    if also:
        also_ip, also_port = also.rsplit(":", 1)
        objects += filled("also.yaml.in", **values, ALSO_IP=also_ip, ALSO_PORT=also_port)
    home.apply(objects)
    home.add_hosts(ip, *(f"{name}-istio.{namespace}{end}" for end in (".svc.cluster.local", ".svc", "")))
    bootstrap = home.path / f"envoy-{namespace}-{name}.yaml"
    bootstrap.write_text(filled("envoy.yaml.in", **values))
    process = f"envoy-{namespace}-{name}"
    # without hot restart nothing is left in /dev/shm; the times of draining are istio-agent's
    processes.start(process, program("envoy"), "-c", bootstrap, "--concurrency", "1", "--disable-hot-restart",
                    "--drain-time-s", "45", "--drain-strategy", "immediate",
                    "-l", os.environ.get("ENVOY_LOG", "info"), "--file-flush-interval-msec", "50")
    wait_until_answers(f"http://{ip}:{admin}/stats?filter=^control_plane.connected_state", processes, process, b": 1")
    home.save(proxies=home.state().get("proxies", {}) | {gateway: {"ip": ip, "admin": f"http://{ip}:{admin}"}})
    return ip


def wait_until_validating(home):
    """From here on invalid objects of Istio are refused."""
    policy = ("get", "validatingwebhookconfiguration", "istio-validator-istio-system", "-o",
              "jsonpath={.webhooks[0].failurePolicy}")
    wait_until("istiod validates", lambda: home.kubectl(*policy) == "Fail")


def wait_until_answers(url, processes, name, part=b""):
    def answers():
        processes.check(name)
        try:
            return part in urllib.request.urlopen(url, timeout=2).read()
        except (urllib.error.URLError, OSError):
            return False

    wait_until(f"{name} is ready", answers)
