"""Blocks, as events."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.appointments.domain.blocks import BlockKind, Resource
from services.appointments.domain.occupancy import ResourceKind
from services.appointments.tables import Block
from shared.contracts.appointments import BlockLifted, ProviderBlockCreated


def block_created(row: Block, resources: Sequence[Resource], visits: int) -> ProviderBlockCreated:
    """Time was taken out of the book."""
    return ProviderBlockCreated(
        block_id=row.id,
        clinic_id=row.clinic_id,
        kind=BlockKind(row.kind).value,
        provider_ids=_of(ResourceKind.PROVIDER, resources),
        room_ids=_of(ResourceKind.ROOM, resources),
        appointment_type_id=row.appointment_type_id,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        visits_hit=visits,
    )


def block_lifted(row: Block, resources: Sequence[Resource], at: datetime) -> BlockLifted:
    """What is left of its time is free again."""
    return BlockLifted(
        block_id=row.id,
        clinic_id=row.clinic_id,
        provider_ids=_of(ResourceKind.PROVIDER, resources),
        room_ids=_of(ResourceKind.ROOM, resources),
        starts_at=max(at, row.starts_at),
        ends_at=row.ends_at,
        lifted_at=at,
    )


def _of(kind: ResourceKind, resources: Sequence[Resource]) -> list[UUID]:
    return [resource_id for found, resource_id in resources if found is kind]
