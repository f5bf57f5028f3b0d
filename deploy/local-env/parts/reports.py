"""What the cluster is told of a pod: the Pod object, its Services' endpoint, and the Deployment's status."""

import datetime
import json

from .home import NODE
from .pods import write_workload_entry


def create_pod(pod):
    """As a ReplicaSet would, and already on the node."""
    spec = {key: value for key, value in pod.template["spec"].items() if key != "topologySpreadConstraints"}
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": pod.deployment["metadata"]["name"],
             "uid": pod.deployment["metadata"]["uid"]}
    metadata = pod.template["metadata"] | {"name": pod.name, "namespace": pod.namespace, "ownerReferences": [owner]}
    metadata.pop("creationTimestamp", None)
    # no grace (and so no preStop): nobody here would confirm the end, and its namespace could not go
    spec["containers"] = [{key: value for key, value in pod.container.items() if key != "lifecycle"}]
    spec |= {"nodeName": NODE, "terminationGracePeriodSeconds": 0, "serviceAccountName": pod.account}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    pod.home.kubectl("create", "-f", "-", given=json.dumps(body))


def set_ready(pod, ready):
    condition = [{"type": kind, "status": "True" if ready else "False", "lastTransitionTime": now()}
                 for kind in ("Ready", "ContainersReady")]
    container = {"name": pod.container["name"], "image": pod.container["image"], "imageID": "", "ready": ready,
                 "restartCount": 0, "state": {"running": {"startedAt": now()}}, "started": True}
    status = {"phase": "Running", "podIP": pod.ip, "podIPs": [{"ip": pod.ip}], "conditions": condition,
              "containerStatuses": [container]}
    patch_status(pod.home, "pod", pod.namespace, pod.name, status)


def set_deployment_status(home, deployment):
    namespace, name = deployment["metadata"]["namespace"], deployment["metadata"]["name"]
    selector = ",".join(f"{key}={value}" for key, value in deployment["spec"]["selector"]["matchLabels"].items())
    pods = home.read("get", "pods", "-n", namespace, "-l", selector)["items"]
    ready = sum(any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions", []))
                for pod in pods)
    available = {"type": "Available", "status": "True" if ready >= deployment["spec"]["replicas"] else "False",
                 "reason": "MinimumReplicasAvailable" if ready else "MinimumReplicasUnavailable", "message": "",
                 "lastTransitionTime": now(), "lastUpdateTime": now()}
    patch_status(home, "deployment", namespace, name, {
        "observedGeneration": deployment["metadata"]["generation"], "replicas": len(pods), "updatedReplicas": len(pods),
        "readyReplicas": ready, "availableReplicas": ready, "unavailableReplicas": len(pods) - ready,
        "conditions": [available],
    })


def add_endpoint(pod):
    """The pod answers for each Service whose selector it meets."""
    ports, names = {}, [pod.name]
    for service in pod.home.read("get", "services", "-n", pod.namespace)["items"]:
        selector = service["spec"].get("selector")
        if selector and selector.items() <= pod.labels.items():
            for port in service["spec"]["ports"]:
                ports[port.get("name", "")] = pod.port_number(port["targetPort"])
            name = f"{service['metadata']['name']}.{pod.namespace}"
            names += [f"{name}.svc.cluster.local", f"{name}.svc", name]
    pod.home.add_hosts(pod.ip, *names)
    if ports and "xds" in pod.home.state():
        write_workload_entry(pod.home, pod.namespace, pod.name, pod.ip, pod.labels, ports)


def forget(home, namespace, name, ip):
    """Removes what `create_pod` and `add_endpoint` made; the namespace may be gone."""
    remove_endpoint(home, namespace, name, ip)
    delete(home, "pod", namespace, name, "--grace-period=0", "--force")


def remove_endpoint(home, namespace, name, ip):
    home.remove_hosts(ip)
    if "xds" in home.state():
        delete(home, "workloadentry", namespace, name)


def delete(home, kind, namespace, name, *flags):
    home.kubectl("delete", kind, name, "-n", namespace, "--ignore-not-found", "--wait=false", *flags, check=False)


def patch_status(home, kind, namespace, name, status):
    home.kubectl("patch", kind, name, "-n", namespace, "--subresource=status", "--type=merge", "-p",
                 json.dumps({"status": status}))


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
