"""What providers may practise by, and what a clinic asks of who works there."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from services.appointments.commands.schedules import provider, provider_lock
from services.appointments.commands.setup import clinic
from services.appointments.tables import Clinic, ProviderCredential
from shared.db.locks import LockKey
from shared.db.work import Work
from shared.values.errors import Invalid, NotFound


async def add_credential(work: Work, provider_id: UUID, wish: dict[str, Any]) -> ProviderCredential:
    """Enter a credential of a provider. Raises Invalid where it ends before it begins."""
    await provider(work, provider_id)
    _check_days(wish["effective_from"], wish["effective_until"])
    row = ProviderCredential(
        id=work.new_id("credential"), network_id=work.network_id, provider_id=provider_id, **wish
    )
    work.add(row)
    return row


async def credentials_of(work: Work, provider_id: UUID) -> list[ProviderCredential]:
    """A provider's credentials, those that have ended among them."""
    await provider(work, provider_id)
    where = "provider_id = $2 ORDER BY kind, region, effective_from, id"
    return await work.load_where(ProviderCredential, where, provider_id)


async def _credential(work: Work, credential_id: UUID) -> ProviderCredential:
    row = await work.load(ProviderCredential, credential_id)
    if row is None:
        raise NotFound("credential.not_found", "There is no such credential.")
    await provider(work, row.provider_id)
    return row


async def credential_locks(work: Work, credential_id: UUID) -> Sequence[LockKey]:
    """What the end of a credential changes."""
    return provider_lock((await _credential(work, credential_id)).provider_id)


async def end_credential(work: Work, credential_id: UUID, last_day: date) -> ProviderCredential:
    """Let a credential end after a day; one that was taken away may have ended in the past."""
    row = await _credential(work, credential_id)
    _check_days(row.effective_from, last_day)
    row.effective_until = last_day
    work.save(row)
    return row


def _check_days(first: date, last: date | None) -> None:
    if last is not None and last < first:
        raise Invalid("credential.days", "The last day must not precede the first.")


async def set_credential_policy(
    work: Work, clinic_id: UUID, kind: str | None, region: str | None
) -> Clinic:
    """Let a clinic ask for a kind of credential of a region; None of both asks for nothing."""
    row = await clinic(work, clinic_id)
    if (kind is None) != (region is None):
        raise Invalid("credential.policy", "A kind and a region go together.")
    row.credential_kind, row.credential_region = kind, region
    work.save(row)
    return row
