"""Who takes the audit out of the system is in it: a row before the first byte, or no export."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from ops.audit.on_record import CannotRecord, export_on_record
from ops.audit.tests.conftest import SERVICE, Book, lines
from ops.audit.verify import verify
from shared.db.provision import SERVICES
from shared.values.ids import new_id

pytestmark = pytest.mark.rule("45 CFR 164.312(b)")


@pytest.fixture
async def variables(book: Book, environment: dict[str, str]) -> dict[str, str]:
    """Those of the five services; the network of the test has rows in one of them."""
    await book.note("read", new_id())
    await book.note("write", new_id())
    await book.sealed()
    return environment


ANN = "operator/ann"


async def taken(
    variables: Mapping[str, str], folder: Path, network: UUID | None, action: str = "export_audit"
) -> dict[str, int]:
    """An export by an operator called Ann."""
    return await export_on_record(variables, folder, who="ann", action=action, network=network)


async def rows_of(book: Book, action: str = "export_audit") -> list[dict[str, Any]]:
    """The rows of the network that tell of exports."""
    text = "SELECT * FROM audit WHERE network_id = $1 AND action = $2 ORDER BY recorded_at"
    return [dict(row) for row in await book.eye.fetch(text, book.network, action)]


async def test_an_export_is_a_row_of_what_it_exports_and_holds(
    book: Book, variables: dict[str, str]
) -> None:
    folder = book.folder / "taken"
    counts = await taken(variables, folder, book.network)
    assert counts == {SERVICE: 3}
    (row,) = await rows_of(book)
    assert (row["actor"], row["outcome"], row["resource"]) == (ANN, "ok", "audit")
    detail = json.loads(str(row["detail"]))
    assert detail == {"networks": "one", "until": row["at"].isoformat()}
    # It is in what was taken: whoever is given the files sees who took them.
    (line,) = [json.loads(each) for each in lines(folder, "unsealed")]
    assert (line[0], line[3], line[6]) == (str(row["id"]), ANN, "export_audit")
    assert verify(folder).holds
    await book.sealed()
    report = await book.verified()
    assert report.holds, list(report.sentences())
    assert report.chains[0].rows == 3


async def test_an_export_of_all_networks_is_a_row_in_each(
    book: Book, variables: dict[str, str]
) -> None:
    other = new_id()
    await book.note("read", network=other)
    folder = book.folder / "taken"
    counts = await taken(variables, folder, None, "verify_audit")
    assert set(counts) == set(SERVICES)
    for network in (book.network, other):
        (row,) = await rows_of(replace(book, network=network), "verify_audit")
        assert json.loads(str(row["detail"]))["networks"] == "all"
        assert (folder / SERVICE / str(network) / "rows.jsonl").exists()
    # Each network that was written out has its row, and all are of one flow.
    flows: set[str] = set()
    for path in folder.glob("*/*"):
        found = [
            json.loads(line)
            for name in ("rows", "unsealed")
            for line in (path / f"{name}.jsonl").read_text().splitlines()
        ]
        flows |= {line[10] for line in found if line[6] == "verify_audit" and line[3] == ANN}
        assert any(line[6] == "verify_audit" for line in found), path
    assert str(row["correlation_id"]) in flows


async def test_what_cannot_be_recorded_is_not_exported(
    book: Book, variables: dict[str, str]
) -> None:
    folder = book.folder / "taken"
    await book.eye.execute(f"REVOKE INSERT ON audit FROM {SERVICE}_app")
    try:
        with pytest.raises(CannotRecord, match=SERVICE):
            await taken(variables, folder, book.network)
    finally:
        await book.eye.execute(f"GRANT INSERT ON audit TO {SERVICE}_app")
    assert not folder.exists()


async def test_a_service_that_is_away_leaves_nothing_of_the_others(
    book: Book, variables: dict[str, str]
) -> None:
    folder = book.folder / "taken"
    away = {
        **variables,
        "CLINICBUS_PAYMENTS_APP_URL": "postgresql://payments_app:x@127.0.0.1:1/none",
    }
    with pytest.raises(CannotRecord):
        await taken(
            away | {"CLINICBUS_PAYMENTS_WORKER_URL": away["CLINICBUS_PAYMENTS_APP_URL"]},
            folder,
            None,
        )
    assert not folder.exists()


async def test_the_row_is_there_before_the_first_byte(
    book: Book, variables: dict[str, str]
) -> None:
    """Where nothing can be written it is on record all the same."""
    (book.folder / "a-file").write_text("")
    with pytest.raises(NotADirectoryError):
        await taken(variables, book.folder / "a-file" / "taken", book.network)
    assert len(await rows_of(book)) == 1


async def test_a_folder_with_something_in_it_is_left_alone_and_tells_of_no_export(
    book: Book, variables: dict[str, str]
) -> None:
    (book.folder / "kept").mkdir()
    (book.folder / "kept" / "letter").write_text("")
    with pytest.raises(FileExistsError):
        await taken(variables, book.folder / "kept", book.network)
    assert await rows_of(book) == []


async def test_a_network_that_no_service_knows_is_none(
    book: Book, variables: dict[str, str]
) -> None:
    stranger = new_id()
    with pytest.raises(LookupError):
        await taken(variables, book.folder / "taken", stranger)
    found = await book.eye.fetchval("SELECT count(*) FROM audit WHERE network_id = $1", stranger)
    assert found == 0
