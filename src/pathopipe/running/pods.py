"""Snakemake's jobs in pods of Kubernetes, for the profile `kubernetes`, by kubectl.

The run is in a pod itself, and its jobs get pods like it: the same image, user and volumes, so that all see one study
under one path, and nobody has to say so twice.
"""

import contextlib
import json
import os
import platform
import re
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from pathopipe.errors import FaultError, RefusalError
from pathopipe.files import write_whole

_LABEL: Final = "pathopipe.run"
_RUN: Final = Path(".pathopipe") / "pods"
"""In a results folder: by what label its jobs are known, for another volume may have a folder of the same path."""
_TOKEN: Final = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 (a path)
_MAIN: Final = "kubectl.kubernetes.io/default-container"
_KEPT_S: Final = 3600
_GRACE_S: Final = 5  # a job goes on from its last finished piece, however it ends
_PATIENCE_S: Final = 60
_PAUSES_S: Final = (1, 2, 5, 10, 20, 30, 60, 60, 60)
_FINAL: Final = re.compile(r"\((AlreadyExists|BadRequest|Forbidden|Invalid|NotFound|Unauthorized)\)|invalid")
# What of its pod and container a run hands on to its jobs.
_POD: Final = (
    "imagePullSecrets",
    "nodeSelector",
    "priorityClassName",
    "runtimeClassName",
    "securityContext",
    "tolerations",
    "volumes",
)
_CONTAINER: Final = ("env", "envFrom", "image", "imagePullPolicy", "name", "securityContext", "volumeMounts")


def submit(script: str, cores: int, memory_mb: int, minutes: int, gpus: int) -> str:
    """Start a job, and return its name, which is chosen here: none is started twice when the first got no answer."""
    name = f"pathopipe-{uuid.uuid4().hex[:12]}"
    asked = {"cpu": str(cores), "memory": f"{memory_mb}Mi"} | ({"nvidia.com/gpu": str(gpus)} if gpus else {})
    own = json.loads(_patiently("get", "pod", _own_name(), "--output=json"))
    manifest = describe(own, name, _label(Path.cwd()), ["sh", script], asked, 60 * minutes)
    try:  # not validated here, which would fetch the schemas each time
        _patiently("create", "--filename=-", "--validate=false", content=json.dumps(manifest))
    except FaultError as error:
        if "(AlreadyExists)" not in str(error):
            raise
    return name


def state(name: str) -> str:
    """Say whether a job is ``running``, has had ``success``, or ``failed``; one that is gone has failed.

    Raises
    ------
    FaultError
        When nothing can be learned of it now.
    """
    job = _kubectl("get", "job", name, "--ignore-not-found", "--output=json")
    return _state(json.loads(job)) if job.strip() else "failed"


def cancel(names: Sequence[str]) -> None:
    """Delete jobs."""
    _kubectl("delete", "job", "--ignore-not-found", "--cascade=foreground", "--wait=false", *names)


def check_cluster() -> None:
    """Refuse to start jobs from elsewhere than a pod that may.

    Raises
    ------
    RefusalError
        When this is not a pod, kubectl is missing, or this pod may not be inspected.
    """
    if "KUBERNETES_SERVICE_HOST" not in os.environ:
        raise RefusalError("--profile kubernetes: this is not a pod in a cluster: see docs/containers.md")
    if not shutil.which("kubectl"):
        raise RefusalError(
            "--profile kubernetes: kubectl is missing: add it to the image, as containers/Dockerfile does"
        )
    try:
        _patiently("get", "pod", _own_name(), "--output=name")
    except FaultError as error:
        raise RefusalError(
            f"--profile kubernetes: this pod can't be inspected ({error}): give its account the role of "
            "containers/kubernetes-jobs.yaml, and its name in POD_NAME where that is not its host name"
        ) from error


def end_leftovers(results: Path, say: Callable[[str], None]) -> None:
    """Delete jobs that a run on this folder left when it ended early: they would work on the next run's slides.

    In the foreground, that is, with their pods.

    Raises
    ------
    RefusalError
        When they can't be.
    """
    try:
        listed = _kubectl("get", "job", f"--selector={_LABEL}={_label(results)}", "--output=json")
        if left := [job["metadata"]["name"] for job in json.loads(listed)["items"] if _state(job) == "running"]:
            say(f"deleting jobs that were left: {' '.join(left)}")
            _kubectl(
                "delete", "job", "--ignore-not-found", "--cascade=foreground", f"--timeout={_PATIENCE_S - 5}s", *left
            )
    except FaultError as error:
        raise RefusalError(
            f"Kubernetes may still run jobs of this results folder ({error}): try again later"
        ) from error


def describe(
    own: dict[str, Any], name: str, label: str, command: list[str], resources: dict[str, str], seconds: int
) -> dict[str, Any]:
    """Manifest of a job: its pod is like ``own``, that of the run, but for command, resources and credentials.

    The time counts from when the pod is on a node, so that none is lost by waiting for one.
    """
    spec = own["spec"]
    main = own["metadata"].get("annotations", {}).get(_MAIN)
    model = next((item for item in spec["containers"] if item["name"] == main), spec["containers"][0])
    container = {key: value for key, value in model.items() if key in _CONTAINER}
    mounts = [mount for mount in container.pop("volumeMounts", []) if mount["mountPath"] != _TOKEN]
    used = {mount["name"] for mount in mounts}
    pod = {key: value for key, value in spec.items() if key in _POD}
    volumes = [volume for volume in pod.pop("volumes", []) if volume["name"] in used]
    container |= {"command": command, "resources": {"requests": resources, "limits": resources}}
    pod |= {
        "containers": [container | {"volumeMounts": mounts}],
        "volumes": volumes,
        "restartPolicy": "Never",
        "activeDeadlineSeconds": seconds,
        "terminationGracePeriodSeconds": _GRACE_S,
        "automountServiceAccountToken": False,
    }
    labels = {_LABEL: label}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "backoffLimit": 0,  # Snakemake tries again, with more time and memory
            "ttlSecondsAfterFinished": _KEPT_S,
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def _state(job: dict[str, Any]) -> str:
    conditions = {entry["type"]: entry["status"] == "True" for entry in job.get("status", {}).get("conditions", ())}
    if conditions.get("Complete"):
        return "success"
    return "failed" if conditions.get("Failed") else "running"


def _own_name() -> str:
    return os.environ.get("POD_NAME") or platform.node()


def _label(results: Path) -> str:
    """The label of a results folder's jobs, which is made when it is first asked for."""
    file = results / _RUN
    with contextlib.suppress(FileNotFoundError):
        return file.read_text(encoding="ascii")
    write_whole(file, uuid.uuid4().hex.encode(), results)
    return file.read_text(encoding="ascii")


def _patiently(*arguments: str, content: str | None = None) -> str:
    """Call kubectl, for some minutes again while Kubernetes doesn't answer."""
    for pause in _PAUSES_S:
        try:
            return _kubectl(*arguments, content=content)
        except FaultError as error:
            if _FINAL.search(str(error)):
                raise
        time.sleep(pause)
    return _kubectl(*arguments, content=content)


def _kubectl(*arguments: str, content: str | None = None) -> str:
    command = ("kubectl", *arguments)
    try:
        done = subprocess.run(command, input=content, capture_output=True, text=True, check=True, timeout=_PATIENCE_S)
    except subprocess.CalledProcessError as error:
        raise FaultError(f"kubectl {arguments[0]}: {error.stderr.strip()}") from error
    except subprocess.TimeoutExpired as error:
        raise FaultError(f"kubectl {arguments[0]}: Kubernetes does not answer") from error
    return done.stdout
