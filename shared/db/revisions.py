"""Which revision of its database the code of a service expects, without Alembic: a service process
that does not migrate spares its 10 MB."""

from pathlib import Path

_SERVICES = Path(__file__).resolve().parents[2] / "services"


def newest_revision(service: str) -> str:
    """That of the last of its migrations, whose files begin with their revisions: `0017`.

    Raises LookupError for a service without migrations.
    """
    files = (_SERVICES / service / "migrations" / "versions").glob("[0-9]*.py")
    found = max((file.name.partition("_")[0] for file in files), default=None)
    if found is None:
        raise LookupError(f"{service} has no migrations")
    return found
