"""A Slurm of one node in a scratch folder: munge, controller and node daemon of the user who calls, on free ports."""

import contextlib
import getpass
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

NEEDED = ("munged", "slurmctld", "slurmd", "scontrol", "sbatch")
CPUS = 8  # more than there may be: nothing is faster for it, but jobs that ask for them can start
_CONF = """
ClusterName=local
SlurmctldHost=localhost
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=1
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
KillWait=2
MinJobAge=3600
JobRequeue=0
SlurmdTimeout=300
NodeName=localhost NodeHostname={host} CPUs={cpus} RealMemory=20000 State=UNKNOWN
PartitionName=debug Nodes=localhost Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> list[str]:
    """Programs of Slurm that are not installed."""
    return [name for name in NEEDED if not _program(name)]


@dataclass
class LocalSlurm:
    """The running daemons; `environment` makes Slurm's commands talk to them."""

    folder: Path
    cpus: int = CPUS

    @property
    def environment(self) -> dict[str, str]:
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return {"SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": path}

    def call(self, *command: str) -> str:
        done = subprocess.run(
            command, env={**os.environ, **self.environment}, capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout

    def jobs(self) -> dict[int, dict[str, str]]:
        """What the controller knows of each job that it ever saw: field -> value."""
        blocks = self.call("scontrol", "--oneliner", "show", "jobs").splitlines()
        fields = [dict(re.findall(r"(\S+?)=(.*?)(?= \S+?=|$)", block)) for block in blocks]
        return {int(job["JobId"]): job for job in fields if "JobId" in job}

    def start_controller(self) -> None:
        # Without -D it would go into the background, where its folder could be removed under it.
        self._start("slurmctld", "-D", "-f", str(self.folder / "slurm.conf"))
        self.wait_for(lambda: re.search("idle|alloc|mix|compl", self._node_state()))

    def stop_controller(self) -> None:
        self._stop("slurmctld")

    def start(self) -> None:
        for name in ("state", "spool", "log", "bin"):
            (self.folder / name).mkdir()
        self._configure()
        self._wrap_srun()
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        paths = {
            name: f"--{name}={self.folder}/munge.{name.split('-')[0]}" for name in ("socket", "pid-file", "log-file")
        }
        self._start(
            "munged", "--foreground", "--force", f"--key-file={key}", f"--seed-file={key}.seed", *paths.values()
        )
        self.wait_for((self.folder / "munge.socket").exists)
        self._start("slurmd", "-D", "-N", "localhost", "-f", str(self.folder / "slurm.conf"))
        self.start_controller()

    def stop(self) -> None:
        with contextlib.suppress(subprocess.SubprocessError):
            self.call("scancel", "--partition=debug")
            self.wait_for(lambda: not self.call("squeue", "--noheader").strip(), seconds=20)
        for name in ("slurmd", "slurmctld", "munged"):
            self._stop(name)

    def wait_for(self, condition: Callable[[], object], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{condition} did not come true; the logs are in {self.folder}/log")
            time.sleep(0.2)

    def _node_state(self) -> str:
        try:
            return self.call("sinfo", "--noheader", "--format=%T")
        except subprocess.SubprocessError:
            return ""

    def _configure(self) -> None:
        values = {
            "controller_port": _free_port(),
            "node_port": _free_port(),
            "user": getpass.getuser(),
            "folder": self.folder,
            "host": socket.gethostname(),
            "cpus": self.cpus,
        }
        (self.folder / "slurm.conf").write_text(_CONF.format(**values))

    def _wrap_srun(self) -> None:
        """Snakemake's plugin takes SLURM_CONF from the environment of srun: a real cluster has its file in /etc."""
        wrapper = self.folder / "bin" / "srun"
        wrapper.write_text(f'#!/bin/sh\nSLURM_CONF={self.folder}/slurm.conf exec {_program("srun")} "$@"\n')
        wrapper.chmod(0o755)

    def _start(self, name: str, *arguments: str) -> None:
        with (self.folder / "log" / f"{name}.out").open("ab") as log:
            self._daemons[name] = subprocess.Popen(
                [_program(name) or name, *arguments],
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _stop(self, name: str) -> None:
        process = self._daemons.pop(name, None)
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __post_init__(self) -> None:
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}


@contextlib.contextmanager
def local_slurm(folder: Path, cpus: int = CPUS) -> Iterator[LocalSlurm]:
    """A Slurm that runs while the block does; `folder` must exist and be empty."""
    slurm = LocalSlurm(folder, cpus)
    try:
        slurm.start()
        yield slurm
    finally:
        slurm.stop()


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin{os.pathsep}/sbin")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
