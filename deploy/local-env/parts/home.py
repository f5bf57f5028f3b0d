"""A cluster's folder: where its files are, what it is made of, and how its kubectl is called."""

import fcntl
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
NODE = "local"
FETCHED = {"KUBERNETES_BIN": "kubernetes", "ISTIO_ASSETS": "istio", "ENVOY_BIN": "envoy"}


class Failure(Exception):
    """What went wrong, where, and what to do."""


class NotInTime(Failure):
    """What was waited for did not come."""


class Home:
    """The folder DIR of one cluster. Its address and ports are in `state.json`."""

    def __init__(self, folder):
        self.path = Path(folder).absolute()
        self.kubeconfig = self.path / "kubeconfig"
        self.hosts = self.path / "hosts"
        self.tls = self.path / "tls"

    def make(self):
        if self.path.exists() and any(self.path.iterdir()) and not self.is_cluster():
            raise Failure(f"{self.path} has files that are not a cluster's: name another folder")
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("run", "log", "tls", "pods"):
            (self.path / name).mkdir(exist_ok=True)
        self.save(made=True)

    def is_cluster(self):
        return (self.path / "state.json").exists()

    def remove(self):
        shutil.rmtree(self.path)

    def state(self):
        if not self.is_cluster():
            raise Failure(f"there is no cluster in {self.path}: start one with 'cluster up {self.path}'")
        return json.loads((self.path / "state.json").read_text())

    def save(self, **more):
        """Remembers `more`; other runs may do so at the same time."""
        with self.locked():
            old = self.state() if self.is_cluster() else {}
            beside = self.path / ".state.json"
            beside.write_text(json.dumps(old | more, indent=1))
            beside.replace(self.path / "state.json")

    @contextmanager
    def locked(self):
        with open(self.path / ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def write_env(self, **variables):
        lines = [f"{name}={shlex.quote(str(value))}\n" for name, value in variables.items()]
        (self.path / "env").write_text("".join(lines))

    def kubectl(self, *arguments, given=None, check=True):
        """What kubectl printed; `given` is its standard input."""
        if not self.kubeconfig.exists():  # kubectl would go elsewhere
            raise Failure(f"there is no cluster in {self.path}: start one with 'cluster up {self.path}'")
        done = subprocess.run([program("kubectl"), *map(str, arguments)], input=given, text=True, capture_output=True,
                              env=os.environ | self.kubectl_env(), stdin=None if given else subprocess.DEVNULL)
        if check and done.returncode:
            raise Failure(f"kubectl {shlex.join(map(str, arguments))}: {done.stderr.strip()}")
        return done.stdout

    def kubectl_env(self):
        return {"KUBECONFIG": str(self.kubeconfig), "KUBECACHEDIR": str(self.path / "kubectl-cache")}

    def apply(self, text):
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", given=text)

    def read(self, *arguments):
        return json.loads(self.kubectl(*arguments, "-o", "json"))

    def add_hosts(self, address, *names):
        """Pods and Envoy resolve `names` to `address` from now on."""
        with self.locked(), open(self.hosts, "a") as file:
            file.write(f"{address} {' '.join(names)}\n")

    def remove_hosts(self, address):
        """Writes into the same file, since pods have it mounted."""
        with self.locked(), open(self.hosts, "r+") as file:
            kept = [line for line in file if line.split()[:1] != [address]]
            file.seek(0)
            file.writelines(kept)
            file.truncate()


def program(name):
    """The path of a program of the cluster."""
    variable = {"envoy": "ENVOY_BIN", "pilot-discovery": "ISTIO_ASSETS", "agentstub": "ISTIO_ASSETS"}.get(name, "KUBERNETES_BIN")
    return str(asset(variable) if name == "envoy" else asset(variable) / name)


def asset(variable):
    if chosen := os.environ.get(variable):
        return Path(chosen)
    fetch = HERE.parent.parent / "tests/setup/fetch"
    found = subprocess.run([fetch, FETCHED[variable]], stdout=subprocess.PIPE, text=True)
    if found.returncode:
        raise Failure(f"{variable} is not set, and {fetch} could not get it")
    os.environ[variable] = found.stdout.strip()
    return Path(os.environ[variable])


def filled(name, **values):
    """A file below `istio` with `@NAME@` replaced."""
    text = (HERE / "istio" / name).read_text()
    for key, value in values.items():
        text = text.replace(f"@{key}@", str(value))
    return text


def wait_until(what, probe, seconds=60, pause=0.05):
    """The first true value of `probe`."""
    deadline = time.monotonic() + seconds
    while not (value := probe()):
        if time.monotonic() > deadline:
            raise NotInTime(f"not within {seconds} s: {what}")
        time.sleep(pause)
    return value


def say(text):
    print(text, file=sys.stderr, flush=True)


def run_main(main):
    try:
        main(sys.argv[1:])
    except Failure as failure:
        say(str(failure))
        sys.exit(1)
