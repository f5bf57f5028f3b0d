"""Processes that outlive who started them. `run/NAME.pid` holds a pid and its start time, so that it is never another's."""

import os
import signal
import subprocess
import time

from .home import Failure, wait_until

# Envoy asks for SIGTERM when its parent ends, so everything is made a child of init.
START = 'echo "$$ $(cut -d" " -f22 "/proc/$$/stat")" > "$0.new" && mv "$0.new" "$0" && exec "$@"'
KILL_AFTER_S = 10


class Processes:
    def __init__(self, home):
        self.run, self.logs = home.path / "run", home.path / "log"

    def start(self, name, *command, log=None, cwd="/", env=None):
        file, log = self.run / f"{name}.pid", log or self.logs / f"{name}.log"
        file.unlink(missing_ok=True)
        with open(log, "ab") as output:
            subprocess.run(["setsid", "--fork", "sh", "-c", START, file, *map(str, command)], check=True, cwd=cwd,
                           env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        wait_until(f"{name} is started", file.exists, pause=0.005)

    def check(self, name):
        """Fails with the end of the log when the process has ended."""
        if not self.pid(name):
            log = (self.logs / f"{name}.log").read_text(errors="replace").splitlines()[-15:]
            raise Failure(f"{name} ended at its start:\n  " + "\n  ".join(log))

    def pid(self, name):
        """The pid while the process runs."""
        try:
            pid, born = (self.run / f"{name}.pid").read_text().split()
        except FileNotFoundError:
            return None
        return int(pid) if birth(int(pid)) == born else None

    def stop(self, *names, with_signal=signal.SIGKILL, kill_after=KILL_AFTER_S):
        """Ends processes, and waits until they have; KILL is right for what is thrown away."""
        for name in names:
            self.send(name, with_signal)
        for name in names:
            deadline = time.monotonic() + kill_after
            while self.pid(name):
                if time.monotonic() > deadline:
                    self.send(name, signal.SIGKILL)
                time.sleep(0.005)
            (self.run / f"{name}.pid").unlink(missing_ok=True)

    def send(self, name, number):
        if pid := self.pid(name):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def names(self):
        return sorted(file.name.removesuffix(".pid") for file in self.run.glob("*.pid"))


def birth(pid):
    """When the process was started, in clock ticks since the machine was; `None` when it has ended."""
    try:
        stat = open(f"/proc/{pid}/stat").read()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *rest = stat.rpartition(")")[2].split()
    return None if state in "ZX" else rest[18]
