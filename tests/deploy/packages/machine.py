"""A Debian with systemd as init in a container of systemd-nspawn, with an overlay in memory."""

import contextlib
import os
import pathlib
import subprocess

from conftest import AS_ROOT, HERE, PYTHON, REPOSITORY, eventually, run, tool

ENVIRONMENT = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"]


class Machine:
    """A booted machine with only a loopback interface."""

    def __init__(self, leader):
        self.leader = leader

    def run(self, *command, check=True, **more):
        """Runs a command in the machine."""
        enter = ["nsenter", f"--target={self.leader}", "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd=/"]
        return run(*AS_ROOT, *enter, "--", *ENVIRONMENT, *command, check=check, **more)

    def write(self, path, text, mode="644"):
        self.run("tee", path, input=text)
        self.run("chmod", mode, path)

    def beside(self, *command):
        """Returns a command that runs a program of the host in the network of the machine."""
        return [*AS_ROOT, "nsenter", f"--target={self.leader}", "--net", "--", *command]

    def get(self, url):
        """Returns the body of a response, or None."""
        done = run(*self.beside("curl", "-sS", "--max-time", "10", url), check=False)
        return done.stdout if done.returncode == 0 else None

    def show(self, unit, *properties):
        """Returns properties of a unit."""
        done = self.run("systemctl", "show", unit, *(f"--property={name}" for name in properties))
        return dict(line.split("=", 1) for line in done.stdout.splitlines())

    def journal(self, unit):
        return self.run("journalctl", "--quiet", "--no-pager", "--output=cat", f"--unit={unit}").stdout

    def name_server(self, processes):
        """Resolves every name to 127.0.0.1 from now on."""
        processes(*self.beside(PYTHON, HERE / "names.py"))
        self.write("/etc/resolv.conf", "nameserver 127.0.0.1\n")


@contextlib.contextmanager
def booted(tmp_path, *binds):
    """Boots a machine. `binds` are pairs of host path and path in the machine, mounted read-only."""
    root = pathlib.Path(tool("exporter-static")).parent.parent / "bookworm"
    assert (root / ".complete").exists(), f"{root} is missing: run tests/deploy/packages/install"
    command = [*AS_ROOT, tool("systemd-nspawn"), "--quiet", "--register=no", "--keep-unit", "--volatile=overlay"]
    command += ["--private-network", "--resolv-conf=off", f"--machine=packages-{os.getpid()}", f"--directory={root}"]
    command += [f"--bind-ro={here}:{inside}" for here, inside in [(REPOSITORY, "/repository"), *binds]]
    console = tmp_path / "console"
    with console.open("w") as output:
        nspawn = subprocess.Popen([*command, "--boot"], stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        def first_process():
            assert nspawn.poll() is None, f"systemd-nspawn has exited: {console.read_text()}"
            return systemd_below(nspawn.pid)

        machine = Machine(eventually("systemd starts", first_process))
        eventually("systemd answers", lambda: "0" in machine.run("systemctl", "show", "-P", "NFailedJobs", check=False).stdout)
        machine.run("systemctl", "is-system-running", "--wait", check=False)
        yield machine
        machine.run("systemctl", "poweroff", check=False)
        nspawn.wait(timeout=30)
    finally:
        if nspawn.poll() is None:
            nspawn.terminate()
            nspawn.wait(timeout=30)


def systemd_below(pid):
    """Returns the process id of `systemd` among the descendants of a process."""
    try:
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for child in children:
            if pathlib.Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                return int(child)
            if (below := systemd_below(child)) is not None:
                return below
    except OSError:
        pass
    return None
