"""An RO-Crate under construction: files with their digests, what they were made with, and by which commands.

Without a clock, a place or a random name: the same results are described by the same bytes.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pathopipe.results.documents import write_json
from pathopipe.results.manifests import ModelEntry
from pathopipe.results.names import CRATE

if TYPE_CHECKING:
    from rocrate.model.entity import Entity

_VERSION: Final = "1.1"
"""The version of RO-Crate that the profiles below rest on."""
PROCESS_RUN: Final = ("https://w3id.org/ro/wfrun/process/0.5", "Process Run Crate", "0.5")
WORKFLOW_RUN: Final = ("https://w3id.org/ro/wfrun/workflow/0.5", "Workflow Run Crate", "0.5")
WORKFLOW: Final = ("https://w3id.org/workflowhub/workflow-ro-crate/1.0", "Workflow RO-Crate", "1.0")
_NO_DATE: Final = "1980-01-01"
"""RO-Crate wants a date; that of a run is in its run.json, and would make the same results differ here."""
_FORMATS: Final = {
    ".geojson": "application/geo+json",
    ".html": "text/html",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".parquet": "application/vnd.apache.parquet",
    ".tsv": "text/tab-separated-values",
    ".txt": "text/plain",
    ".zip": "application/zip",
}


class Crate:
    """A description of a folder, made by adding to it.

    Parameters
    ----------
    profiles
        That it conforms to: address, name and version of each.
    """

    def __init__(self, name: str, description: str, *profiles: tuple[str, str, str]) -> None:
        from rocrate.rocrate import ROCrate

        self._crate = ROCrate(version=_VERSION)
        self._root = self._crate.root_dataset
        self._root["name"] = name
        self._root["description"] = description
        self._root["datePublished"] = _NO_DATE
        rights = "The owner of the slides decides who may use these results. For research use only."
        self._root["license"] = self.thing("#rights", "CreativeWork", name="Rights", description=rights)
        conforms = [
            self.thing(address, "CreativeWork", name=title, version=number) for address, title, number in profiles
        ]
        self._root["conformsTo"] = _plain(conforms)

    def thing(self, address: str, kind: str, **properties: Any) -> "Entity":
        """Add something that is not a file of the folder; what was added before is returned as it is."""
        from rocrate.model.contextentity import ContextEntity

        known = self._crate.get(address)
        return known or self._crate.add(ContextEntity(self._crate, address, properties={"@type": kind} | properties))

    def file(self, name: str, size: int | None = None, sha256: str | None = None, **properties: Any) -> "Entity":
        """Add a file of the folder; one without digest differs between runs."""
        known = {"contentSize": None if size is None else str(size), "sha256": sha256}
        known |= {"encodingFormat": _FORMATS.get(Path(name).suffix)}
        reported = {key: value for key, value in known.items() if value is not None}
        return self._crate.add_file(dest_path=name, properties={"name": name} | reported | properties)

    def folder(self, name: str, **properties: Any) -> "Entity":
        """Add a folder in the folder."""
        return self._crate.add_dataset(dest_path=f"{name}/", properties={"name": name} | properties)

    def workflow(self, path: str, language_version: str, **properties: Any) -> "Entity":
        """Add the file that is the workflow; the folder is about it."""
        from rocrate.model.computationalworkflow import ComputationalWorkflow
        from rocrate.model.computerlanguage import get_lang

        entity = self._crate.add(ComputationalWorkflow(self._crate, dest_path=path, properties=properties))
        entity["programmingLanguage"] = self._crate.add(get_lang(self._crate, "snakemake", language_version))
        self._root["mainEntity"] = entity
        self._crate.metadata["conformsTo"] = [
            {"@id": f"https://w3id.org/ro/crate/{_VERSION}"},
            {"@id": WORKFLOW[0]},
        ]
        return entity

    def software(self, versions: dict[str, str]) -> "Entity":
        """Add pathopipe and the libraries that it ran with."""
        libraries = [self._application(name, versions[name]) for name in sorted(versions) if name != "pathopipe"]
        address = f"#pathopipe-{hashlib.sha256(json.dumps(versions, sort_keys=True).encode()).hexdigest()[:8]}"
        version = versions["pathopipe"]
        reported = {"softwareVersion": version, "softwareRequirements": libraries}
        return self.thing(address, "SoftwareApplication", name="pathopipe", **reported)

    def weights(self, model: ModelEntry) -> "Entity":
        """Add a nucleus model, by the digest of its weights where it has some."""
        digest = model.get("sha256")
        reported = {"sha256": digest, "license": model.get("licence")}
        known = {key: value for key, value in reported.items() if value}
        return self.thing(f"#model-{model['name']}-{(digest or '')[:16]}", "CreativeWork", name=model["name"], **known)

    def action(
        self, name: str, command: str, tool: "Entity", used: Sequence["Entity"], made: Sequence["Entity"]
    ) -> "Entity":
        """Add something that was done: by which command, with what, from what, and what came out."""
        properties = {
            "name": name,
            "description": command,
            "instrument": tool,
            "object": _plain(used),
            "result": _plain(made),
            "actionStatus": {"@id": "http://schema.org/CompletedActionStatus"},
        }
        entity = self.thing(f"#run-{name}", "CreateAction", **properties)
        self._root.append_to("mentions", entity, compact=True)
        return entity

    def write(self, folder: Path) -> None:
        """Write the description into a folder."""
        write_json(folder / CRATE, self._crate.metadata.generate())

    def _application(self, name: str, version: str) -> "Entity":
        return self.thing(f"#{name}-{version}", "SoftwareApplication", name=name, softwareVersion=version)


def _plain(things: Sequence["Entity"]) -> Any:
    """One thing stands for itself."""
    return things[0] if len(things) == 1 else list(things)
