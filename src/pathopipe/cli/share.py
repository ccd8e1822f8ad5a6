"""``pathopipe share``: a copy of results that can be passed on."""

from pathlib import Path

import click

from pathopipe.cli.options import PATH, examples


@click.command(
    epilog=examples("pathopipe share results to-pass-on", "pathopipe share results copy --slides slides.tsv")
)
@click.argument("results", type=PATH)
@click.argument("destination", type=PATH)
@click.option("--slides", "sheet", type=PATH, help="Sample sheet of the results; default: that of the last run.")
@click.option("--keep-ids", is_flag=True, help="The slide ids identify nobody, even where they are file names.")
def share(results: Path, destination: Path, sheet: Path | None, keep_ids: bool) -> None:
    """Copy RESULTS to the new folder DESTINATION, without anything that identifies people or places; nothing is sent.

    Logs, dot folders and run.json (host, process, time) are left out. The copy is searched for the patients, files and
    paths of the sample sheet and for users and hosts; where one is found, nothing is copied. Pixels are not searched.
    """
    from pathopipe.errors import RefusalError
    from pathopipe.results.records import last_sheet
    from pathopipe.samples import read_samples
    from pathopipe.sharing.copying import share as copy

    if not results.is_dir():
        raise RefusalError(f"{results}: this folder does not exist: give the one that 'pathopipe run' wrote to")
    sheet = sheet or last_sheet(results)
    if sheet is None:
        raise RefusalError(f"{results}: does not say which sample sheet it was made with: give it with --slides")
    done = copy(results, destination, sheet, read_samples(sheet), keep_ids)
    searched = done.identifiers
    click.echo(
        f"{done.slides:,} slides in {destination}, {done.files:,} files: none contains any of the "
        f"{len(searched.names):,} names and paths of the sample sheet, of users and of machines that were searched for"
    )
    if searched.unsearched:
        kinds = ", ".join(f"{kind} ({count:,})" for kind, count in sorted(searched.unsearched.items()))
        click.echo(f"not searched for, because they are too short, or words of the program itself: {kinds}")
