"""Hosts made of namespaces of one machine: own network, processes, home, /tmp and sshd.

A host lives as long as this process holds its standard input: whatever becomes of a
test, its hosts end, and with them all that ran there. Of the machine itself nothing is
touched but one folder under /var/tmp, which every host sees, and which goes at the end.
It needs Linux, root, and the programs of `PROGRAMS`.
"""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

PROGRAMS = ("unshare", "nsenter", "ip", "sshd", "ssh", "ssh-keygen", "rsync")
ROOT = Path(__file__).resolve().parents[2]
NETWORK = "10.77.0"
HOME = Path(pwd.getpwuid(os.geteuid()).pw_dir)
"""The home that programs take for theirs; each host has another folder in its place."""
BIN = Path(sys.prefix).resolve() / "bin"
"""Where `python` and `ray` are."""
BOOT = """\
set -e
hostname {name}
mount --bind {folder}/tmp /tmp
{keep}mount --rbind {folder}/home {home}
mount -t tmpfs tmpfs /run
mount -t tmpfs -o size=2g tmpfs /dev/shm
mkdir /run/sshd
ip link set lo up
echo made
read -r
{sshd} -f {folder}/sshd_config -E {folder}/sshd.log
echo up
while read -r; do :; done
"""
"""What a host's first process does: it makes the host, and waits until nobody holds it."""
SSHD = """\
ListenAddress {address}
HostKey {ssh}/host
AuthorizedKeysFile {ssh}/id.pub
PidFile {folder}/sshd.pid
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
"""


def missing() -> str | None:
    """What keeps this machine from having such hosts, or None."""
    if not sys.platform.startswith("linux"):
        return "hosts are made of namespaces of Linux"
    if os.geteuid() != 0:
        return "hosts are made by root"
    absent = [name for name in PROGRAMS if _program(name) is None]
    if absent:
        return f"hosts need {', '.join(absent)}"
    tried = subprocess.run(
        ["unshare", "--net", "--mount", "true"], capture_output=True, check=False
    )
    return None if tried.returncode == 0 else f"no namespaces: {tried.stderr.decode().strip()}"


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


@dataclass(frozen=True, kw_only=True)
class Host:
    """One host: its name, its address, and the folder that holds its home and its /tmp."""

    name: str
    address: str
    folder: Path
    keeper: "subprocess.Popen[str]"
    """Holds the namespaces; ends when we do."""

    @property
    def first(self) -> int:
        """The process id, out here, of the host's first process."""
        pid = self.keeper.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return int(children[0])

    def enter(self, words: Sequence[str], folder: Path | None = None) -> list[str]:
        """The command that runs `words` on the host, in its home or another folder."""
        spaces = ["--net", "--mount", "--uts", "--pid"]
        here = [f"--wdns={folder or HOME}"]
        return ["nsenter", "--target", str(self.first), *spaces, *here, *words]

    def start(
        self, words: Sequence[str], folder: Path | None = None, **environment: str
    ) -> "subprocess.Popen[str]":
        """Start a program on the host; what it says goes into one pipe."""
        return subprocess.Popen(
            self.enter(words, folder), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, env=_environment() | environment,
        )  # fmt: skip

    def run(
        self, words: Sequence[str], folder: Path | None = None, seconds: float = 600,
        **environment: str,
    ) -> "subprocess.CompletedProcess[str]":  # fmt: skip
        """Run a program on the host to its end."""
        return subprocess.run(
            self.enter(words, folder), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, env=_environment() | environment,
            timeout=seconds, check=False,
        )  # fmt: skip

    def processes(self, part: str) -> list[int]:
        """Ids, on the host, of the living processes whose command holds `part`."""
        listed = self.run(["ps", "-A", "-o", "pid=,stat=,args="]).stdout
        rows = [line.split(None, 2) for line in listed.splitlines()]
        return [int(pid) for pid, state, args in rows if part in args and state[0] != "Z"]

    def signal(self, pid: int, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to a process of the host."""
        self.run(["kill", f"-{number.value}", str(pid)])

    def cable(self, state: str) -> None:
        """Pull the cable of a host that is plugged in somewhere (`down`), or plug it in (`up`)."""
        _ip(self, "link", "set", "card", state)

    def end(self) -> None:
        """Cut the power."""
        self.keeper.kill()
        self.keeper.wait()
        for pipe in (self.keeper.stdin, self.keeper.stdout):
            assert pipe is not None
            pipe.close()


@dataclass(frozen=True, kw_only=True)
class Network:
    """Hosts that reach one another, and a folder that all of them see."""

    hosts: dict[str, Host]
    base: Path

    @property
    def key(self) -> Path:
        """The key with which every host lets in."""
        return self.base / "ssh" / "id"

    def power_on(self, name: str) -> None:
        """Start a host again whose power was cut, with the disk that it had."""
        switch, address = next(iter(self.hosts.values())), self.hosts[name].address
        until = time.monotonic() + 30
        # The cable goes with the last trace of the old host, a moment after its end.
        while f" {name}@" in _output(switch, "ip", "link"):
            assert time.monotonic() < until, f"{name} is still plugged in"
            time.sleep(0.1)
        self.hosts[name] = _boot(self.base, name, address)
        _plug(switch, self.hosts[name])
        _say(self.hosts[name], "up")


def checkout(folder: Path) -> Path:
    """A copy of this checkout, of what Git would keep; hosts may not see its own place."""
    _do("rsync", "-a", "--exclude=.git", "--filter=:- .gitignore", f"{ROOT}/", f"{folder}/")
    return folder


def fill_in(folder: Path, net: Network, *, head: str, workers: Sequence[str]) -> None:
    """Fill in the sweep.yaml of a checkout for hosts, whose environment is there already."""
    path = folder / "sweep.yaml"
    config = yaml.safe_load(path.read_text())
    addresses = [net.hosts[name].address for name in workers]
    config["provider"] |= {"head_ip": net.hosts[head].address, "worker_ips": addresses}
    config["auth"] = {"ssh_user": "root", "ssh_private_key": str(net.key)}
    config["setup_commands"] = []
    small = " --num-cpus=1 --object-store-memory=100000000"
    config["head_start_ray_commands"][-1] += f"{small} --include-dashboard=false"
    config["worker_start_ray_commands"][-1] += small
    path.write_text(yaml.safe_dump(config))


def start_ray(host: Host, *words: str, head: Host | None = None) -> None:
    """A node of Ray's on a host: the head, or one that joins it."""
    how = ["--head", "--port=6379"] if head is None else [f"--address={head.address}:6379"]
    memory = "--object-store-memory=100000000"
    done = host.run(["ray", "start", *how, memory, *words])
    assert done.returncode == 0, done.stdout


@contextlib.contextmanager
def network(*names: str) -> Iterator[Network]:
    """Hosts of these names; the first one has the switch that the others are plugged into."""
    base = Path(tempfile.mkdtemp(prefix="promptscale-hosts-", dir="/var/tmp"))
    hosts: dict[str, Host] = {}
    try:
        ssh = base / "ssh"
        ssh.mkdir()
        for key in ("id", "host"):
            _do("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(ssh / key))
        for number, name in enumerate(names):
            hosts[name] = _boot(base, name, f"{NETWORK}.{10 + number}")
        for host in hosts.values():
            _plug(hosts[names[0]], host)
            _say(host, "up")
        yield Network(hosts=hosts, base=base)
    finally:
        for host in hosts.values():
            host.end()
        _remove(base)


def _boot(base: Path, name: str, address: str) -> Host:
    folder = base / name
    (folder / "home").mkdir(parents=True, exist_ok=True)
    (folder / "tmp").mkdir(exist_ok=True)
    settings = SSHD.format(address=address, ssh=base / "ssh", folder=folder)
    (folder / "sshd_config").write_text(settings)
    lines = [f"export PATH={BIN}:$PATH", *(f"export {k}={v}" for k, v in _settings().items())]
    (folder / "home" / ".bashrc").write_text("\n".join(lines) + "\n")
    boot = BOOT.format(
        name=name, folder=folder, home=HOME, sshd=_program("sshd"), keep=_keep(folder)
    )
    with (folder / "boot.log").open("w") as log:
        keeper = subprocess.Popen(
            ["unshare", "--net", "--mount", "--uts", "--pid", "--fork", "--kill-child",
             "--mount-proc", "bash", "-c", boot],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
            env=_environment(),
        )  # fmt: skip
    host = Host(name=name, address=address, folder=folder, keeper=keeper)
    _hear(host, "made")
    return host


def _keep(folder: Path) -> str:
    """Mounts of what a host's own home would hide: the interpreter and its environment."""
    lines = ""
    for path in {Path(sys.base_prefix).resolve(), BIN.parent}:
        if path.is_relative_to(HOME):
            inside = folder / "home" / path.relative_to(HOME)
            inside.mkdir(parents=True, exist_ok=True)
            lines += f"mount --bind {path} {inside}\n"
    return lines


def _plug(switch: Host, host: Host) -> None:
    """Give a host its address, on a card of its own or on the switch itself."""
    if host is switch:
        card = "switch"
        _do(
            "nsenter",
            f"--net=/proc/{host.first}/ns/net",
            "ip",
            "link",
            "add",
            card,
            "type",
            "bridge",
        )
    else:
        card = "card"
        _do("ip", "link", "add", card, "netns", str(host.first), "type", "veth",
            "peer", "name", host.name, "netns", str(switch.first))  # fmt: skip
        _ip(switch, "link", "set", host.name, "master", "switch", "up")
    _ip(host, "address", "add", f"{host.address}/24", "dev", card)
    _ip(host, "link", "set", card, "up")
    # Ray asks for the way to a far address to find out its own.
    _ip(
        host,
        "route",
        "add",
        "default",
        "via",
        switch.address if host is not switch else host.address,
    )


def _ip(host: Host, *words: str) -> None:
    _do("nsenter", f"--net=/proc/{host.first}/ns/net", "ip", *words)


def _output(host: Host, *words: str) -> str:
    return subprocess.run(
        ["nsenter", f"--net=/proc/{host.first}/ns/net", *words], check=True, capture_output=True,
        text=True, env=_environment(),
    ).stdout  # fmt: skip


def _say(host: Host, wanted: str) -> None:
    assert host.keeper.stdin is not None
    host.keeper.stdin.write("go on\n")
    host.keeper.stdin.flush()
    _hear(host, wanted)


def _hear(host: Host, wanted: str) -> None:
    assert host.keeper.stdout is not None
    said = host.keeper.stdout.readline().strip()
    assert said == wanted, (host.folder / "boot.log").read_text()


def _settings() -> dict[str, str]:
    return {
        "RAY_USAGE_STATS_ENABLED": "0", "HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1",
        # Ray makes workers nicer than all else on a machine, which may have other work.
        "RAY_worker_niceness": "0",
    }  # fmt: skip


def _environment() -> dict[str, str]:
    """What a login would set, and nothing of ours."""
    path = f"{BIN}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {"PATH": path, "HOME": str(HOME), "LANG": "C.UTF-8", "USER": "root", **_settings()}


def _do(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, env=_environment())


def _remove(base: Path) -> None:
    """Take the folder away, once the last process of the hosts is gone."""
    until = time.monotonic() + 10
    while base.exists():
        shutil.rmtree(base, ignore_errors=time.monotonic() < until)
