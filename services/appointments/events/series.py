"""What happens to a series, as an event; its visits say their own."""

from typing import Any, cast

from services.appointments.tables import Series
from shared.contracts.appointments import SeriesChanged


def series_changed(
    row: Series, change: str, scope: str, changed: int, unchanged: int
) -> SeriesChanged:
    """Some visits of a series were booked, moved or called off."""
    return SeriesChanged(
        series_id=row.id,
        patient_id=row.patient_id,
        clinic_id=row.clinic_id,
        provider_id=row.provider_id,
        appointment_type_id=row.appointment_type_id,
        change=cast(Any, change),
        scope=cast(Any, scope),
        changed=changed,
        unchanged=unchanged,
    )
