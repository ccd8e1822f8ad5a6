"""Every command says how it is called, and what was probably meant when it is called otherwise."""

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from pathopipe.cli import main
from pathopipe.cli.app import app


def commands(group: click.Group, *names: str) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield (*names, name)
        if isinstance(command, click.Group):
            yield from commands(command, *names, name)


COMMANDS = list(commands(app))


def ask(capsys: pytest.CaptureFixture[str], *arguments: str, code: int) -> str:
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    assert end.value.code == code
    return "".join(capsys.readouterr())


def test_the_commands_are_found() -> None:
    assert {("run",), ("segment",), ("train", "nuclei"), ("evaluate", "nuclei")} <= set(COMMANDS)


@pytest.mark.parametrize("command", [(), *COMMANDS], ids=" ".join)
def test_help_has_an_example_that_can_be_parsed(capsys: pytest.CaptureFixture[str], command: tuple[str, ...]) -> None:
    text = ask(capsys, *command, "--help", code=0)
    examples = [line.split() for line in text.partition("\n  Example")[2].splitlines()[1:] if line.strip()]
    assert examples
    for words in examples:
        assert words[: len(command) + 1] == ["pathopipe", *command]
        parse(words[1:])
    assert ("SLIDE" in text) == ("SLIDE is the id of a slide" in text)


def parse(words: list[str]) -> None:
    """Check that the options are those of the command: values are checked, folders need not be there."""
    context, command, rest = click.Context(app), app, words
    while isinstance(command, click.Group):
        _, command, rest = command.resolve_command(context, rest)
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in rest[: rest.index("--") if "--" in rest else None] if word.startswith("-")} <= known


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ("runn", "did you mean 'run'?"),
        ("train nucley", "did you mean 'nuclei'?"),
        ("frobnicate", "the commands are init, run,"),
        ("run slides/x.png", "pathopipe demo --slide slides/x.png"),
        ("run other.tsv", "--slides other.tsv"),
        ("run my.yaml", "--config my.yaml"),
        ("run slides", "pathopipe init slides"),
        ("run segment", "--until segment"),
        ("run a --only a", "--only"),
        ("demo x.svs", "--slide x.svs"),
        ("bench x.svs", "--slide x.svs"),
        ("status res", "--results res"),
    ],
)
def test_what_was_meant(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: str,
    hint: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "slides").mkdir()
    text = ask(capsys, *arguments.split(), code=2)
    assert hint in text
    assert [path.name for path in tmp_path.iterdir()] == ["slides"]
