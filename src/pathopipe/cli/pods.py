"""``pathopipe pods``: Snakemake's jobs in pods of Kubernetes, for the profile `kubernetes`, by kubectl.

The run is in a pod itself, and its jobs get pods like it: the same image, user and volumes, so that all see one study
under one path, and nobody has to say so twice.
"""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import click

from pathopipe.errors import FaultError, RefusalError

_LABEL: Final = "pathopipe.results"
_TOKEN: Final = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 (a path)
_KEPT_S: Final = 3600
_GRACE_S: Final = 5  # a job goes on from its last finished piece, however it ends
_PATIENCE_S: Final = 60
# What of its pod and container a run hands on to its jobs.
_POD: Final = ("imagePullSecrets", "nodeSelector", "runtimeClassName", "securityContext", "tolerations", "volumes")
_CONTAINER: Final = ("env", "envFrom", "image", "imagePullPolicy", "securityContext", "volumeMounts")


@click.group(hidden=True, help="Jobs in pods of Kubernetes, as the profile 'kubernetes' asks for them.")
def pods() -> None:
    """Jobs in pods."""


@pods.command(help="Start a job; prints its name.")
@click.option("--cores", type=int, required=True)
@click.option("--memory-mb", type=int, required=True)
@click.option("--minutes", type=int, required=True)
@click.option("--gpus", type=int, default=0)
@click.argument("script")
def submit(cores: int, memory_mb: int, minutes: int, gpus: int, script: str) -> None:
    """Start a job."""
    own = json.loads(_kubectl("get", "pod", platform.node(), "--output=json"))
    asked = {"cpu": str(cores), "memory": f"{memory_mb}Mi"} | ({"nvidia.com/gpu": str(gpus)} if gpus else {})
    manifest = describe(own, _label(Path.cwd()), ["sh", script], asked, 60 * minutes)
    options = ("--filename=-", "--output=name", "--validate=false")  # the API checks it all the same
    name = _kubectl("create", *options, content=json.dumps(manifest))
    click.echo(name.strip().rpartition("/")[2])


@pods.command(help="Say whether a job is running, has had success, or failed.")
@click.argument("name")
def status(name: str) -> None:
    """Say how a job is: one that is gone has failed, and one of which nothing can be learned now is left running."""
    try:
        job = _kubectl("get", "job", name, "--ignore-not-found", "--output=json")
    except FaultError as error:
        click.echo(f"pathopipe: {error}", err=True)
        job = "{}"
    click.echo(_state(json.loads(job)) if job.strip() else "failed")


def cancel() -> None:
    """Delete the jobs that the command line names: Snakemake wants a command without arguments of its own for that."""
    _kubectl("delete", "job", "--ignore-not-found", "--wait=false", *sys.argv[1:])


def check_cluster() -> None:
    """Refuse to start jobs from elsewhere than a pod that may.

    Raises
    ------
    RefusalError
        When this is no pod, or kubectl is missing.
    """
    if "KUBERNETES_SERVICE_HOST" not in os.environ:
        raise RefusalError("--profile kubernetes: this is no pod of a cluster: see docs/containers.md")
    if not shutil.which("kubectl"):
        raise RefusalError(
            "--profile kubernetes: kubectl is missing: add it to the image, as containers/Dockerfile does"
        )


def end_leftovers(results: Path) -> None:
    """Delete jobs that a run on this folder left when it ended early: they would work on the next run's slides.

    In the foreground, that is, with their pods.
    """
    jobs = json.loads(_kubectl("get", "job", f"--selector={_LABEL}={_label(results)}", "--output=json"))["items"]
    if left := [job["metadata"]["name"] for job in jobs if _state(job) == "running"]:
        click.echo(f"deleting jobs that were left: {' '.join(left)}")
        _kubectl("delete", "job", "--ignore-not-found", "--cascade=foreground", *left)


def describe(
    own: dict[str, Any], label: str, command: list[str], resources: dict[str, str], seconds: int
) -> dict[str, Any]:
    """Manifest of a job: like the pod ``own`` of the run, but for its command, its resources and its credentials.

    The time counts from when the pod is on a node, so that none is lost by waiting for one.
    """
    spec = own["spec"]
    container = {name: value for name, value in spec["containers"][0].items() if name in _CONTAINER}
    mounts = [mount for mount in container.pop("volumeMounts", []) if mount["mountPath"] != _TOKEN]
    used = {mount["name"] for mount in mounts}
    pod = {name: value for name, value in spec.items() if name in _POD}
    volumes = [volume for volume in pod.pop("volumes", []) if volume["name"] in used]
    container |= {"name": "job", "command": command, "resources": {"requests": resources, "limits": resources}}
    pod |= {
        "containers": [container | {"volumeMounts": mounts}],
        "volumes": volumes,
        "restartPolicy": "Never",
        "activeDeadlineSeconds": seconds,
        "terminationGracePeriodSeconds": _GRACE_S,
        "automountServiceAccountToken": False,
    }
    metadata = {"labels": {_LABEL: label}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata | {"generateName": "pathopipe-"},
        "spec": {
            "backoffLimit": 0,  # Snakemake tries again, with more time and memory
            "ttlSecondsAfterFinished": _KEPT_S,
            "template": {"metadata": metadata, "spec": pod},
        },
    }


def _state(job: dict[str, Any]) -> str:
    conditions = {entry["type"]: entry["status"] == "True" for entry in job.get("status", {}).get("conditions", ())}
    if conditions.get("Complete"):
        return "success"
    return "failed" if conditions.get("Failed") else "running"


def _label(results: Path) -> str:
    return hashlib.sha256(os.fsencode(results.absolute())).hexdigest()[:16]


def _kubectl(*arguments: str, content: str | None = None) -> str:
    command = ("kubectl", *arguments)
    try:
        done = subprocess.run(command, input=content, capture_output=True, text=True, check=True, timeout=_PATIENCE_S)
    except subprocess.CalledProcessError as error:
        raise FaultError(f"kubectl {arguments[0]}: {error.stderr.strip()}") from error
    except subprocess.TimeoutExpired as error:
        raise FaultError(f"kubectl {arguments[0]}: Kubernetes does not answer") from error
    return done.stdout
