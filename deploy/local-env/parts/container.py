"""Runs one program as a container runtime would: `unshare --mount python3 container.py SPEC.json`.

A root of its own in memory, with this machine's libraries, read-only, and what the pod mounts; then the user of the image.
Replaces itself by the program, so the pid stays. There is no network namespace: a pod has a loopback address instead.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

LIBRARIES = ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/nix/store"]
ETC = {
    "passwd": "root:x:0:0::/:/sbin/nologin\nnonroot:x:65532:65532::/:/sbin/nologin\n",
    "group": "root:x:0:\nnonroot:x:65532:\n",
    "nsswitch.conf": "hosts: files\n",  # what a cluster's DNS would know is in /etc/hosts, which is kept up to date
}


def main(spec):
    root = Path(spec["folder"]) / "root"
    root.mkdir(exist_ok=True)
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", root)
    for folder in LIBRARIES:
        share_folder(root, folder)
    for folder in ("/proc", "/dev"):
        (root / folder[1:]).mkdir()
        mount("--rbind", folder, root / folder[1:])
    for name, text in ETC.items():
        put(root / "etc" / name, text)
    if os.path.exists("/etc/ld.so.cache"):
        put(root / "etc/ld.so.cache", Path("/etc/ld.so.cache").read_bytes())
    (root / "var").mkdir()
    (root / "var/run").symlink_to("/run")
    for source, target in spec["mounts"].items():
        # not by way of the link, which leads to this machine's own /run until the chroot
        bind(Path(source), Path(f"{root}{target.replace('/var/run/', '/run/', 1)}"))
    if spec["read_only"]:
        mount("-o", "remount,bind,ro", root)
    else:
        (root / "tmp").mkdir(mode=0o777, exist_ok=True)
    os.chroot(root)
    os.chdir("/")
    become(spec["user"])
    os.execve(spec["command"][0], spec["command"], spec["environment"])


def share_folder(root, folder):
    inside = root / folder[1:]
    if os.path.islink(folder):
        inside.symlink_to(os.readlink(folder))
    elif os.path.isdir(folder):
        inside.mkdir(parents=True)
        mount("--rbind", folder, inside)


def bind(source, inside):
    if source.is_dir():
        inside.mkdir(parents=True, exist_ok=True)
    else:
        put(inside, "")
    mount("--bind", source, inside)


def put(file, content):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())


def become(user):
    """In a user namespace of this user's own there is nobody else to become."""
    if user and not int(Path("/proc/self/uid_map").read_text().split()[1]):
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)


def mount(*arguments):
    subprocess.run(["mount", *map(str, arguments)], check=True)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
