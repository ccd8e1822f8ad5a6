"""The profile `kubernetes`: what kubectl is asked for, and runs whose pods are processes of this machine."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from pathopipe.cli import pods as commands
from pathopipe.errors import RefusalError
from pathopipe.running import pods
from tests.cluster.conftest import GOOD, write_sheet
from tests.cluster.local_kubernetes import POD, LocalKubernetes, local_kubernetes
from tests.cluster.watching import Watch, contents, differing, gathered, states
from tests.workflow.conftest import ROOT, Project, log_of

PATIENCE_S = 600


@pytest.fixture
def kubernetes(startable: None, tmp_path: Path) -> Iterator[LocalKubernetes]:
    if not shutil.which("kubectl"):
        pytest.skip("kubectl is not installed")
    folder = tmp_path / "kubernetes"
    folder.mkdir()
    with local_kubernetes(folder) as running:
        yield running


@dataclass(frozen=True)
class PodProject(Project):
    """A project whose jobs go to pods, by the shipped profile."""

    kubernetes: LocalKubernetes

    def start(self) -> subprocess.Popen:
        with (self.folder / "run.out").open("a") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "pathopipe", "run", "--profile", "kubernetes", "--", "--latency-wait", "10"],
                cwd=self.folder,
                env={**os.environ, **self.kubernetes.environment},
                start_new_session=True,
                stdout=log,
                stderr=log,
            )

    @property
    def reported(self) -> str:
        return (self.folder / "run.out").read_text() + log_of(self)


@pytest.fixture
def cluster(kubernetes: LocalKubernetes, at_home: Project, tmp_path: Path) -> PodProject:
    folder = tmp_path / "in pods"
    shutil.copytree(at_home.folder, folder, ignore=shutil.ignore_patterns("results"))
    return PodProject(folder, kubernetes)


def wait_for(holds: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def of_detect(job: dict[str, Any]) -> bool:
    return ".detect." in Path(container(job)["command"][-1]).name


def container(job: dict[str, Any]) -> dict[str, Any]:
    return job["spec"]["template"]["spec"]["containers"][0]


@pytest.mark.slow
def test_a_cohort_in_pods_of_which_one_is_lost(cluster: PodProject, at_home: Project) -> None:
    everything = (*GOOD, "corrupt")
    cluster.kubernetes.losing = 1
    with Watch(cluster.results) as watch:
        assert cluster.start().wait(PATIENCE_S) == 0, cluster.reported
    assert differing(contents(cluster, *everything), contents(at_home, *everything)) == []
    assert states(cluster) == {"done": 4, "rejected": 1}
    for stage in ("tissue", "detect", "report"):
        assert watch.times(stage) == dict.fromkeys(everything, 1)
    # One pod before detect, one for detect of each slide and another for the lost one, two after it.
    jobs = cluster.kubernetes.jobs.values()
    assert (len(jobs), len(cluster.kubernetes.deleted)) == (1 + 5 + 2, 1)
    memory = sorted(container(job)["resources"]["limits"]["memory"] for job in jobs if of_detect(job))
    assert memory == ["2000Mi"] * 4 + ["4000Mi"]
    assert cluster.start().wait(PATIENCE_S) == 0
    assert len(jobs) == 8


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_ends_early_leaves_nothing_for_long(
    cluster: PodProject, at_home: Project, tmp_path: Path, end: signal.Signals
) -> None:
    """Killed, it leaves a job, which the next run deletes; interrupted, it deletes its jobs."""
    write_sheet(cluster, *GOOD[:1])
    run = cluster.start()
    try:
        wait_for(lambda: any(of_detect(cluster.kubernetes.jobs[name]) for name in cluster.kubernetes.running))
    finally:
        os.killpg(run.pid, end)
        run.wait(PATIENCE_S)
    left = cluster.kubernetes.running
    assert (left == []) == (end == signal.SIGINT)
    assert cluster.start().wait(PATIENCE_S) == 0, cluster.reported
    assert set(left) <= set(cluster.kubernetes.deleted)
    assert left == [] or f"deleting jobs that were left: {' '.join(left)}" in cluster.reported
    expected = gathered(at_home, tmp_path / "expected", *GOOD[:1])
    assert differing(contents(cluster, *GOOD[:1]), contents(expected, *GOOD[:1])) == []


def test_a_job_is_like_the_pod_of_the_run_without_its_credentials() -> None:
    job = pods.describe(POD, "job-1", "abc", ["sh", "job.sh"], {"cpu": "2", "memory": "10Mi"}, 60)
    pod = job["spec"]["template"]["spec"]
    (only,) = pod["containers"]
    assert (only["image"], only["env"]) == ("pathopipe:1", POD["spec"]["containers"][0]["env"])
    assert only["volumeMounts"] == [{"name": "study", "mountPath": "/study"}]
    assert pod["volumes"] == POD["spec"]["volumes"][:1]
    assert pod["securityContext"] == POD["spec"]["securityContext"]
    assert only["resources"] == {"requests": {"cpu": "2", "memory": "10Mi"}, "limits": {"cpu": "2", "memory": "10Mi"}}
    assert not {"serviceAccountName", "nodeName"} & {*pod}
    assert pod["automountServiceAccountToken"] is False
    assert "serviceAccountToken" not in json.dumps(job)


def test_the_container_that_kubectl_takes_for_the_main_one_is_the_model() -> None:
    sidecar = {"name": "proxy", "image": "proxy:1"}
    own = POD | {"spec": POD["spec"] | {"containers": [sidecar, *POD["spec"]["containers"]]}}
    own |= {"metadata": {"annotations": {"kubectl.kubernetes.io/default-container": "pathopipe"}}}
    (only,) = pods.describe(own, "job-1", "abc", [], {}, 60)["spec"]["template"]["spec"]["containers"]
    assert (only["name"], only["image"]) == ("pathopipe", "pathopipe:1")


KUBECTL = """#!/bin/sh
# Fails twice as an API that is away, and once as one whose answer to `create` was lost.
echo "$1" >> {folder}/calls
case "$1:$(grep -c "^$1" {folder}/calls)" in
    get:1 | create:1) echo "The connection to the server was refused" >&2; exit 1 ;;
    get:*) echo '{pod}' ;;
    create:2) echo 'Error from server ({reason}): jobs.batch' >&2; exit 1 ;;
esac
"""


@pytest.mark.parametrize(("reason", "started"), [("AlreadyExists", True), ("Forbidden", False)])
def test_a_job_is_submitted_in_spite_of_an_outage(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, reason: str, started: bool
) -> None:
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(KUBECTL.format(folder=tmp_path, pod=json.dumps(POD), reason=reason))
    kubectl.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pods, "_PAUSES_S", (0.0,) * 3)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    done = CliRunner().invoke(commands.submit, ["--cores=1", "--memory-mb=1", "--minutes=1", "job.sh"])
    assert done.output.startswith("pathopipe-") == started
    assert (done.exit_code == 0) == started
    assert (tmp_path / "calls").read_text().split() == ["get", "get", "create", "create"]


def test_a_job_of_which_nothing_can_be_learned_is_left_running(tmp_path: Path) -> None:
    (tmp_path / "kubectl").write_text("#!/bin/sh\necho away >&2; exit 1\n")
    (tmp_path / "kubectl").chmod(0o755)
    asked = [sys.executable, "-m", "pathopipe", "pods", "status", "job-1"]
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(asked, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=True)
    assert done.stdout == "running\n"
    assert "away" in done.stderr


def test_pods_are_started_from_a_pod_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(RefusalError, match="not a pod in a cluster"):
        pods.check_cluster()
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RefusalError, match="kubectl is missing"):
        pods.check_cluster()


def test_the_plan_needs_no_cluster(cluster: PodProject) -> None:
    done = cluster.run("--profile", "kubernetes", "--", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert cluster.kubernetes.jobs == {}


def test_the_manifest_lets_the_run_do_what_it_asks_of_kubectl() -> None:
    parts = list(yaml.safe_load_all((ROOT / "containers" / "kubernetes-jobs.yaml").read_text()))
    rules = {
        (name, verb)
        for part in parts
        for rule in part.get("rules", ())
        for name in rule["resources"]
        for verb in rule["verbs"]
    }
    assert {("pods", "get"), *(("jobs", verb) for verb in ("create", "get", "list", "watch", "delete"))} <= rules
    (job,) = (part for part in parts if part["kind"] == "Job")
    pod = job["spec"]["template"]["spec"]
    (account,) = (part["metadata"]["name"] for part in parts if part["kind"] == "ServiceAccount")
    assert pod["serviceAccountName"] == account
    assert pod["containers"][0]["command"][:4] == ["pathopipe", "run", "--profile", "kubernetes"]
    assert job["spec"]["template"]["spec"]["containers"][0]["workingDir"] == "/study"
