"""`clinicbus read-271 FILE [--write OUT]`: one plain sentence from a 271, and the same bytes back.

It reads with the eligibility service's own rules, so that what is printed here is what the desk
sees. Also: python -m ops.read_271 FILE
"""

from pathlib import Path
from typing import Annotated

import typer

from services.eligibility.domain.response_271 import read_271 as read_benefits
from services.eligibility.domain.sentence import sentence
from shared.x12 import BYTES_MAX, X12Error, parse

app = typer.Typer(add_completion=False)


@app.command("read-271")
def read_271(
    file: Annotated[Path, typer.Argument(help="a 271 (005010X279A1)", show_default=False)],
    write: Annotated[
        Path | None, typer.Option(help="write the interchange to this file", show_default=False)
    ] = None,
) -> None:
    """Say in one sentence what a 271 says.

    Exit 1 with one line on stderr where it cannot be read. The sentence names no person.
    """
    try:
        with file.open("rb") as source:
            data = source.read(BYTES_MAX + 1)
        interchange = parse(data)
        told = sentence(read_benefits(interchange))
        if write is not None:
            write.write_bytes(interchange.to_bytes())
    except X12Error as error:
        _fail(f"This is not a 271 that can be read. {error}")
    except OSError as error:
        _fail(f"The file {error.filename} cannot be opened: {error.strerror}.")
    else:
        typer.echo(told)


def _fail(text: str) -> None:
    typer.echo(text, err=True)
    raise typer.Exit(1)


if __name__ == "__main__":
    app()
