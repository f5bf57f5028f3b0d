"""Builds Kubernetes and helm, and Istio, from the two Go modules pinned in `pins`; used by `fetch`.

Go checks every module against its `go.sum`. Go's own caches are used as they are, so a second build takes seconds.
"""

import os
import re
import shutil
import subprocess
import sys
import threading
import time

AT_LEAST = (1, 26)
SAY_EVERY_S = 20
# Without -dwarf=false a build takes longer and fills the cache; the programs are the same.
FLAGS = ["-mod=readonly", "-trimpath", "-gcflags=all=-dwarf=false"]
VERSION = "k8s.io/component-base/version"
KUBERNETES = {
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
    "etcd": "go.etcd.io/etcd/server/v3",
}


class Go:
    """One Go toolchain, in one module."""

    def __init__(self, program, module, say):
        self.program, self.module, self.say = str(program), module, say
        self.settings = os.environ | {"CGO_ENABLED": "0", "GOWORK": "off", "GOTOOLCHAIN": "local"}

    def kubernetes(self, out, others):
        """kube-apiserver, etcd, kubectl and minictl; links to those of the first three that the folder `others` has."""
        out.mkdir()
        version = self.version("k8s.io/kubernetes")
        major, minor, _ = version.removeprefix("v").split(".")
        # kubectl compares versions, and fails on a server that has none
        marks = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
        flags = "-s -w " + " ".join(f"-X {VERSION}.{name}={value}" for name, value in marks.items())
        there = [name for name in KUBERNETES if others and (others / name).exists()]
        self.build(out, flags, "./minictl", *(package for name, package in KUBERNETES.items() if name not in there))
        if "etcd" not in there:
            (out / "server").rename(out / "etcd")
        for name in there:
            (out / name).symlink_to(others / name)

    def istio(self, out):
        """pilot-discovery, agentstub, the CRDs (of the Gateway API too), and what istiod injects."""
        out.mkdir()
        self.build(out, "-s -w", "istio.io/istio/pilot/cmd/pilot-discovery", "./agentstub")
        istio, gateway_api = self.source("istio.io/istio"), self.source("sigs.k8s.io/gateway-api")
        (out / "crds").mkdir()
        for file in sorted(gateway_api.glob("config/crd/standard/gateway.networking.k8s.io_*.yaml")):
            (out / "crds" / file.name).write_text(file.read_text())
        crds = istio / "manifests/charts/base/files/crd-all.gen.yaml"
        (out / "crds/istio.yaml").write_text(crds.read_text())
        chart = istio / "manifests/charts/istio-control/istio-discovery"
        (out / "inject").mkdir()
        (out / "inject/config").write_text(template(chart / "files/kube-gateway.yaml"))
        (out / "inject/values").write_text(values(chart / "values.yaml"))

    def helm(self, out):
        out.mkdir()
        self.build(out, "-s -w", "helm.sh/helm/v4/cmd/helm")

    def build(self, out, flags, *packages):
        command = [self.program, "build", "-v", *FLAGS, "-ldflags", flags, "-o", f"{out}/", *packages]
        started = time.monotonic()
        go = subprocess.Popen(command, cwd=self.module, env=self.settings, text=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        lines = []
        reader = threading.Thread(target=lambda: lines.extend(go.stdout))
        reader.start()
        while reader.is_alive():
            reader.join(SAY_EVERY_S)
            if reader.is_alive():
                self.say(f"  {out.name.split('-')[0].strip('.')}: {progress(lines)}, {time.monotonic() - started:.0f} s")
        if go.wait():
            sys.stderr.write("".join(line for line in lines[-40:] if " " in line))
            raise subprocess.CalledProcessError(go.returncode, command)

    def version(self, module):
        return self.list_module(module, "{{.Version}}")

    def source(self, module):
        return type(self.module)(self.list_module(module, "{{.Dir}}"))

    def list_module(self, module, form):
        command = [self.program, "list", "-mod=readonly", "-m", "-f", form, module]
        return subprocess.run(command, cwd=self.module, env=self.settings, text=True, check=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE).stdout.strip()


def on_path():
    """The go on PATH, when it is new enough."""
    go = shutil.which("go")
    return go if go and tuple(map(int, re.findall(r"\d+", version(go))[:2])) >= AT_LEAST else None


def version(go):
    """Like `go1.26.6`."""
    # GOTOOLCHAIN: what this go is, not what it could fetch
    settings = os.environ | {"GOTOOLCHAIN": "local"}
    return subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, cwd="/", env=settings).stdout.strip()


def progress(lines):
    """`go build -v` names each package as its compilation begins; a name has no blank."""
    fetched = sum(line.startswith("go: downloading") for line in lines)
    compiled = sum(" " not in line.strip() for line in lines)
    return f"{compiled} packages compiled" if compiled else f"{fetched} modules downloaded"


def template(file):
    """istiod's list of templates, with the one for Gateways alone: it makes a Gateway's Service and Deployment."""
    indented = "".join(f"    {line}" for line in file.read_text().splitlines(keepends=True))
    return f"policy: disabled\ndefaultTemplates: []\ntemplates:\n  kube-gateway: |\n{indented}"


def values(file):
    """The chart keeps its defaults one level down."""
    _, defaults = file.read_text().split("\n_internal_defaults_do_not_set:\n")
    return "".join(line.removeprefix("  ") for line in defaults.splitlines(keepends=True))
