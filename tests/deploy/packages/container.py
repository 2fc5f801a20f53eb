"""Builds the image with buildah and runs containers with runc as Kubernetes does: read-only root, no capabilities, no new
privileges, the user of the image, separate namespaces."""

import contextlib
import json
import pathlib
import shutil
import subprocess

from conftest import AS_ROOT, HERE, PYTHON, REPOSITORY, eventually, run, tool

SYSTEM_BUNDLE = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")


class Image:
    """An image in a separate store."""

    def __init__(self, folder):
        self.folder = folder
        self.store = [f"--root={folder}/store", f"--runroot={folder}/run", "--storage-driver=vfs"]

    def buildah(self, *words):
        return run(*AS_ROOT, tool("buildah"), *self.store, *words).stdout.strip()

    def build(self, binary, **arguments):
        """Builds the Dockerfile with `binary` in its stage `prebuilt`."""
        architecture = {"x86_64": "amd64", "aarch64": "arm64"}[run("uname", "-m").stdout.strip()]
        context = self.folder / "context"
        for name in [".dockerignore", "LICENSE", "deploy/licenses/THIRD-PARTY.txt", "deploy/docker/Dockerfile"]:
            (context / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, context / name)
        for source, place in [(binary, "usr/bin/aws-transfer-exporter"), (SYSTEM_BUNDLE, SYSTEM_BUNDLE.relative_to("/"))]:
            target = context / "dist" / architecture / place
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
        words = [f"--build-arg={name}={value}" for name, value in {"PROGRAM": "prebuilt", **arguments}.items()]
        self.buildah("build", "--quiet", "--format=docker", "--isolation=chroot", *words, "--tag=image",
                     f"--file={context}/deploy/docker/Dockerfile", context)
        self.description = json.loads(self.buildah("inspect", "--type=image", "localhost/image"))["Docker"]
        self.config = self.description["config"]
        self.container = self.buildah("from", "localhost/image")
        self.root = pathlib.Path(self.buildah("mount", self.container))

    def size(self):
        """Returns the total size of its files in bytes."""
        return int(run(*AS_ROOT, "du", "--summarize", "--bytes", self.root).stdout.split()[0])

    def files(self):
        """Returns the paths of everything except directories."""
        found = run(*AS_ROOT, "find", self.root, "-not", "-type", "d", "-printf", "/%P\n").stdout
        return set(found.split())

    def remove(self):
        self.buildah("rm", "--all")
        self.buildah("rmi", "--all", "--force")
        run(*AS_ROOT, "rm", "-rf", self.folder / "store", self.folder / "run")


class Container:
    """A running container."""

    def __init__(self, name, state):
        self.name = name
        self.state = state
        self.pid = None

    def runc(self, *words, check=True):
        return run(*AS_ROOT, tool("runc"), f"--root={self.state}", *words, check=check)

    def exec(self, *command, check=True):
        """Runs a program of the image in the container."""
        return self.runc("exec", self.name, *command, check=check)

    def beside(self, *command):
        """Returns a command that runs a program of the host in the network of the container."""
        return [*AS_ROOT, "nsenter", f"--target={self.pid}", "--net", "--", *command]

    def get(self, url):
        """Returns the body of a response, or None."""
        done = run(*self.beside("curl", "-sS", "--max-time", "10", url), check=False)
        return done.stdout if done.returncode == 0 else None

    def name_server(self, processes):
        """Resolves every name to 127.0.0.1 from now on."""
        processes(*self.beside(PYTHON, HERE / "names.py"))

    def running_pid(self):
        state = self.runc("state", self.name, check=False)
        if state.returncode != 0:
            return None
        state = json.loads(state.stdout)
        return state["pid"] if state["status"] == "running" else None


def start(image, folder, *arguments, files=(), environment=()):
    """Starts a container. `files` are pairs of host path and container path, mounted read-only; output goes to `log`."""
    for name, text in [("hosts", "127.0.0.1 localhost\n::1 localhost\n"), ("resolv.conf", "nameserver 127.0.0.1\n")]:
        (folder / name).write_text(text)
    binds = [(folder / "hosts", "/etc/hosts"), (folder / "resolv.conf", "/etc/resolv.conf"), *files]
    user, group = map(int, image.config["User"].split(":"))
    environment = {**dict(pair.split("=", 1) for pair in image.config["Env"]), **dict(environment)}
    specification = {
        "ociVersion": "1.0.0",
        "process": {
            "user": {"uid": user, "gid": group},
            "args": [*image.config["Entrypoint"], *(arguments or image.config["Cmd"] or [])],
            "env": [f"{name}={value}" for name, value in environment.items() if value is not None],
            "cwd": image.config["WorkingDir"],
            "capabilities": {},
            "noNewPrivileges": True,
        },
        "root": {"path": str(image.root), "readonly": True},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            *({"destination": inside, "type": "bind", "source": str(here), "options": ["bind", "ro"]} for here, inside in binds),
        ],
        "linux": {"namespaces": [{"type": kind} for kind in ["pid", "network", "ipc", "uts", "mount"]]},
    }
    (folder / "config.json").write_text(json.dumps(specification))
    container = Container(f"image-{folder.name}", folder / "state")
    container.log = folder / "log"
    command = [*AS_ROOT, tool("runc"), f"--root={container.state}", "run", f"--bundle={folder}", container.name]
    with container.log.open("w") as log:
        container.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    return container


@contextlib.contextmanager
def running(*arguments, **more):
    """Runs a container until the end of the block."""
    container = start(*arguments, **more)
    try:
        def started():
            assert container.process.poll() is None, f"the container has exited: {container.log.read_text()}"
            return container.running_pid()

        container.pid = eventually("the container runs", started)
        yield container
    finally:
        if container.process.poll() is None:
            container.runc("kill", container.name, "KILL", check=False)
            container.process.wait(timeout=20)
