"""A SLURM cluster of one node on this machine: munge, controller and node daemon in one folder."""

import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PLACES = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
PROGRAMS = (
    "munged",
    "slurmctld",
    "slurmd",
    "sbatch",
    "srun",
    "scontrol",
    "squeue",
    "scancel",
    "sinfo",
)

CONF = """ClusterName=crl
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={place}/munge.socket,cred_expire=5
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={place}/state
SlurmdSpoolDir={place}/spool
SlurmctldPidFile={place}/slurmctld.pid
SlurmdPidFile={place}/slurmd.pid
SlurmctldLogFile={place}/slurmctld.log
SlurmdLogFile={place}/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
KillWait=5
MinJobAge=3600
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=test Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
# cred_expire is also how long a requeued job waits before it starts again (usually two minutes).


class CannotStart(Exception):
    """Why there is no SLURM here, in one line."""


@contextmanager
def slurm_node() -> Iterator[dict[str, str]]:
    """Start SLURM; yield the environment variables with which its commands find it.

    Raises CannotStart. However this ends, no daemon is left behind.
    """
    missing = [name for name in PROGRAMS if shutil.which(name, path=PLACES) is None]
    if missing:
        raise CannotStart(
            f"not installed: {', '.join(missing)} (Debian: slurmctld slurmd slurm-client munge)"
        )
    daemons: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory(prefix="slurm", ignore_cleanup_errors=True) as folder:
        place = Path(folder)
        place.chmod(0o755)  # munge wants its socket to be reachable
        for name in ("state", "spool"):
            (place / name).mkdir()
        (place / "munge.key").write_bytes(os.urandom(1024))
        (place / "munge.key").chmod(0o600)
        host = socket.gethostname().partition(".")[0]
        conf = CONF.format(host=host, user=getpass.getuser(), place=place, ports=_free_ports(2))
        (place / "slurm.conf").write_text(conf)
        environment = os.environ | {"SLURM_CONF": str(place / "slurm.conf"), "PATH": PLACES}
        munge = [
            f"--socket={place}/munge.socket",
            f"--key-file={place}/munge.key",
            f"--pid-file={place}/munge.pid",
        ]
        munge += [
            f"--log-file={place}/munged.log",
            f"--seed-file={place}/munge.seed",
            "--force",
            "--foreground",
        ]
        try:
            for command in (["munged", *munge], ["slurmctld", "-D"], ["slurmd", "-D"]):
                log = (place / f"{command[0]}.out").open("wb")
                daemons.append(
                    subprocess.Popen(
                        command, env=environment, stdout=log, stderr=log, start_new_session=True
                    )
                )
                time.sleep(1)
            _wait_until_idle(environment, daemons, place)
            yield environment
        finally:
            subprocess.run(
                ["scancel", "--user", getpass.getuser()],
                env=environment,
                check=False,
                capture_output=True,
            )
            time.sleep(1 if daemons else 0)
            for daemon in reversed(daemons):
                daemon.terminate()
                daemon.wait(timeout=30)


def _wait_until_idle(
    environment: dict[str, str], daemons: list[subprocess.Popen[bytes]], place: Path
) -> None:
    for _ in range(60):
        for daemon in daemons:
            if daemon.poll() is not None:
                name = str(daemon.args[0])  # type: ignore[index]
                lines = (place / f"{name}.out").read_text().splitlines()
                raise CannotStart(f"{name} ended: {lines[-1] if lines else 'it says nothing'}")
        shown = subprocess.run(
            ["sinfo", "-h", "-o", "%T"],
            env=environment,
            check=False,
            capture_output=True,
            text=True,
        )
        if shown.stdout.strip() == "idle":
            return
        time.sleep(0.5)
    raise CannotStart("its node did not become idle within 30 s")


def _free_ports(count: int) -> list[int]:
    with_ports = [socket.socket() for _ in range(count)]
    try:
        for one in with_ports:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in with_ports]
    finally:
        for one in with_ports:
            one.close()
