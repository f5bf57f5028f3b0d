"""Pods of applied Deployments, as processes: what is read of a Deployment, and what the cluster is told of the pod."""

import base64
import json

from .home import NODE, Failure

ACCOUNT_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"
TRUST_STORE = "/etc/ssl/certs/ca-certificates.crt"
# The user of an image that says it runs as nobody else
NON_ROOT = 65532
TOKEN_LIFETIME = "720h"  # nothing renews it: longer than a cluster lives
# There is no network namespace, so a container is told to listen on its pod's address alone
LISTEN = {
    "MCP_GATEWAY_BROKER_LISTEN": "{ip}:8080",
    "MCP_GATEWAY_EXT_PROC_LISTEN": "{ip}:50051",
    "MCP_GATEWAY_ADMIN_LISTEN": "{ip}:9090",
}


class Pod:
    """The pod number `number` of a Deployment, at `ip`."""

    def __init__(self, home, deployment, number, ip):
        self.home, self.deployment, self.ip = home, deployment, ip
        self.namespace = deployment["metadata"]["namespace"]
        self.name = f"{deployment['metadata']['name']}-{number}"
        self.template = deployment["spec"]["template"]
        self.labels = self.template["metadata"].get("labels", {})
        self.container, *others = self.template["spec"]["containers"]
        if others or self.container.get("command"):
            raise Failure(f"{self.name}: one container that runs its image's entrypoint is all that is played here")
        self.account = self.template["spec"].get("serviceAccountName", "default")
        self.folder = home.path / "pods" / f"{self.namespace}-{self.name}"
        self.process = f"pod-{self.namespace}-{self.name}"
        self.log = self.folder.with_suffix(".log")

    def container_spec(self, program, more_environment):
        """What `container.py` is given."""
        mounts = {str(self.home.hosts): "/etc/hosts", str(self.home.tls / "ca.crt"): TRUST_STORE, program: self.entrypoint(program),
                  str(self.account_folder()): ACCOUNT_FOLDER, **self.volumes()}
        return {
            "folder": str(self.folder), "mounts": mounts, "environment": self.environment() | more_environment,
            "command": [self.entrypoint(program), *self.container.get("args", [])], "user": self.user(),
            "read_only": self.container.get("securityContext", {}).get("readOnlyRootFilesystem", False),
        }

    @staticmethod
    def entrypoint(program):
        return "/" + program.rpartition("/")[2]

    def user(self):
        merged = self.template["spec"].get("securityContext", {}) | self.container.get("securityContext", {})
        return merged.get("runAsUser", NON_ROOT if merged.get("runAsNonRoot") else 0)

    def account_folder(self):
        """The ServiceAccount's token, as a kubelet mounts it: with this the pod has its rights, and no more."""
        folder = self.folder / "serviceaccount"
        token = self.home.kubectl("create", "token", self.account, "-n", self.namespace, f"--duration={TOKEN_LIFETIME}")
        authority = (self.home.tls / "kubernetes.crt").read_text()
        write_files(folder, {"token": token.strip(), "ca.crt": authority, "namespace": self.namespace})
        return folder

    def volumes(self):
        """`{folder here: path in the container}`."""
        found = {}
        volumes = {volume["name"]: volume for volume in self.template["spec"].get("volumes", [])}
        for mount in self.container.get("volumeMounts", []):
            folder = self.folder / "volumes" / mount["name"]
            write_files(folder, self.volume_files(volumes[mount["name"]]), writable=True)
            found[str(folder / mount.get("subPath", ""))] = mount["mountPath"]
        return found

    def volume_files(self, volume):
        if "emptyDir" in volume:
            return {}
        if secret := volume.get("secret"):
            return self.secret(secret["secretName"])
        if config_map := volume.get("configMap"):
            return self.config_map(config_map["name"])
        raise Failure(f"{self.name}: volume {volume['name']} is none of emptyDir, secret and configMap")

    def environment(self):
        state = self.home.state()
        own = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME": self.name,
               "KUBERNETES_SERVICE_HOST": state["ip"], "KUBERNETES_SERVICE_PORT": str(state["apiserver"])}
        own |= {name: value.format(ip=self.ip) for name, value in LISTEN.items()}
        return own | {one["name"]: self.value(one) for one in self.container.get("env", [])}

    def value(self, variable):
        source = variable.get("valueFrom", {})
        if field := source.get("fieldRef"):
            return self.field(field["fieldPath"])
        if key := source.get("secretKeyRef"):
            return self.secret(key["name"])[key["key"]]
        if key := source.get("configMapKeyRef"):
            return self.config_map(key["name"])[key["key"]]
        if source:
            raise Failure(f"{self.name}: env {variable['name']} comes from {', '.join(source)}, which is not played here")
        return variable.get("value", "")

    def field(self, path):
        fields = {"metadata.name": self.name, "metadata.namespace": self.namespace, "status.podIP": self.ip,
                  "spec.nodeName": NODE, "spec.serviceAccountName": self.account, "status.hostIP": self.ip}
        if path not in fields:
            raise Failure(f"{self.name}: fieldRef {path} is not played here, only {', '.join(fields)}")
        return fields[path]

    def secret(self, name):
        template = "go-template={{range $key, $value := .data}}{{$key}}={{$value}}\n{{end}}"
        lines = self.home.kubectl("get", "secret", name, "-n", self.namespace, "-o", template).splitlines()
        return {key: base64.b64decode(value).decode() for key, value in (line.split("=", 1) for line in lines)}

    def config_map(self, name):
        return self.home.read("get", "configmap", name, "-n", self.namespace).get("data", {})

    def port_number(self, port):
        named = {one.get("name"): one["containerPort"] for one in self.container.get("ports", [])}
        return named[port] if isinstance(port, str) else port

    def numbers(self):
        return [one["containerPort"] for one in self.container.get("ports", [])]


def write_files(folder, files, writable=False):
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o777 if writable else 0o755)
    for name, text in files.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o644)


def write_workload_entry(home, namespace, name, address, labels, ports):
    """istiod takes it for a pod with these labels; `ports` leads from Service port names to real ports.

    (kube-apiserver refuses loopback addresses in EndpointSlices.)
    """
    home.apply(json.dumps({
        "apiVersion": "networking.istio.io/v1", "kind": "WorkloadEntry",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"address": address, "labels": labels, "ports": ports},
    }))
