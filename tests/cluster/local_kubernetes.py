"""As much of Kubernetes' API as kubectl needs for `pathopipe pods`; the command of a job's pod runs on this machine."""

import contextlib
import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "driver", "namespace": "default"},
    "spec": {
        "serviceAccountName": "pathopipe",
        "nodeName": "node-1",
        "securityContext": {"runAsUser": 1000, "fsGroup": 1000},
        "containers": [
            {
                "name": "pathopipe",
                "image": "pathopipe:1",
                "command": ["pathopipe", "run", "--profile", "kubernetes"],
                "workingDir": "/study",
                "resources": {"requests": {"cpu": "1"}},
                "env": [{"name": "LANG", "value": "C.UTF-8"}],
                "volumeMounts": [
                    {"name": "study", "mountPath": "/study"},
                    {"name": "token", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"},
                ],
            }
        ],
        "volumes": [
            {"name": "study", "persistentVolumeClaim": {"claimName": "study"}},
            {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
        ],
    },
}
"""A pod as the API gives it, in which a run is."""

_VERBS = ["create", "delete", "get", "list", "watch"]
_GROUP = {
    "name": "batch",
    "versions": [{"groupVersion": "batch/v1", "version": "v1"}],
    "preferredVersion": {"groupVersion": "batch/v1", "version": "v1"},
}
_DISCOVERY: dict[str, dict[str, Any]] = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_GROUP]},
    "/api/v1": {
        "kind": "APIResourceList",
        "groupVersion": "v1",
        "resources": [{"name": "pods", "singularName": "pod", "namespaced": True, "kind": "Pod", "verbs": _VERBS}],
    },
    "/apis/batch/v1": {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": "batch/v1",
        "resources": [{"name": "jobs", "singularName": "job", "namespaced": True, "kind": "Job", "verbs": _VERBS}],
    },
}


@dataclass
class LocalKubernetes:
    """Jobs by name, as they were created; those that were deleted are kept in ``deleted``.

    ``losing`` is the number of jobs of ``detect`` that vanish as soon as they are started, as on a node that fails.
    """

    folder: Path
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    deleted: dict[str, dict[str, Any]] = field(default_factory=dict)
    losing: int = 0
    port: int = 0
    _running: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """Variables under which kubectl finds it, and `pathopipe` believes to be in a pod."""
        return {"KUBECONFIG": str(self.folder / "kubeconfig"), "KUBERNETES_SERVICE_HOST": "127.0.0.1"}

    @property
    def running(self) -> list[str]:
        """Names of the jobs whose command has not ended."""
        return [name for name, process in list(self._running.items()) if process.poll() is None]

    def write_kubeconfig(self) -> None:
        cluster = {"name": "local", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}
        context = {"name": "local", "context": {"cluster": "local", "user": ""}}
        content = {"clusters": [cluster], "contexts": [context], "current-context": "local"}
        (self.folder / "kubeconfig").write_text(json.dumps({"apiVersion": "v1", "kind": "Config"} | content))

    def create(self, job: dict[str, Any]) -> dict[str, Any]:
        name = job["metadata"]["name"]
        job["metadata"] |= {"namespace": "default", "uid": name}
        self.jobs[name] = job
        command = job["spec"]["template"]["spec"]["containers"][0]["command"]
        lost = self.losing > 0 and ".detect." in Path(command[-1]).name
        environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **self.environment}
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                command, cwd="/", env=environment, stdout=log, stderr=log, start_new_session=True
            )
        self._running[name] = process
        if lost:
            self.losing -= 1
            self.delete(name)
        return job

    def describe(self, name: str) -> dict[str, Any]:
        code = self._running[name].poll()
        states = {None: [], 0: [{"type": "Complete", "status": "True"}]}
        return self.jobs[name] | {"status": {"conditions": states.get(code, [{"type": "Failed", "status": "True"}])}}

    def delete(self, name: str) -> dict[str, Any]:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._running[name].pid, signal.SIGKILL)
        self._running[name].wait()
        self.deleted[name] = self.jobs.pop(name)
        return self.deleted[name]


@contextlib.contextmanager
def local_kubernetes(folder: Path) -> Iterator[LocalKubernetes]:
    """Answer kubectl while the block runs; ends what still runs then."""
    cluster = LocalKubernetes(folder)
    server = _Server(("127.0.0.1", 0), _Handler)
    server.cluster = cluster
    cluster.port = server.server_address[1]
    cluster.write_kubeconfig()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield cluster
    finally:
        for name in cluster.running:
            cluster.delete(name)
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    cluster: LocalKubernetes


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        kind, name = self._place(asked.path)
        if asked.path in _DISCOVERY:
            self._answer(_DISCOVERY[asked.path])
        elif kind == "pods":
            self._answer(POD)
        elif kind == "jobs" and name in self.server.cluster.jobs:
            self._answer(self.server.cluster.describe(name))
        elif kind == "jobs" and not name:
            key, _, value = unquote(parse_qs(asked.query)["labelSelector"][0]).partition("=")
            labels = {name: job["metadata"]["labels"] for name, job in self.server.cluster.jobs.items()}
            found = [self.server.cluster.describe(name) for name, has in labels.items() if has.get(key) == value]
            self._answer({"kind": "JobList", "apiVersion": "batch/v1", "metadata": {}, "items": found})
        else:
            self._missing(name)

    def do_POST(self) -> None:
        self._answer(self.server.cluster.create(json.loads(self._content())), 201)

    def do_DELETE(self) -> None:
        self._content()
        _, name = self._place(self.path)
        if name in self.server.cluster.jobs:
            self._answer(self.server.cluster.delete(name))
        else:
            self._missing(name)

    def log_message(self, *_: object) -> None:
        pass

    def _place(self, path: str) -> tuple[str, str]:
        parts = [*urlsplit(path).path.partition("/namespaces/default/")[2].split("/"), ""]
        return parts[0], parts[1]

    def _content(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _missing(self, name: str) -> None:
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
        self._answer(status | {"message": f"{name} not found", "details": {"name": name}}, 404)

    def _answer(self, content: dict[str, Any], code: int = 200) -> None:
        data = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
