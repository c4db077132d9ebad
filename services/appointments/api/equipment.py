"""Routes of equipment."""

from services.appointments.api.routes import ROUTES
from services.appointments.commands import equipment
from services.appointments.commands.setup import clinic
from services.appointments.schemas.equipment import (
    AddEquipment,
    EquipmentList,
    EquipmentView,
    ListEquipment,
    OutOfService,
    OutOfServiceView,
)
from services.appointments.tables import Equipment
from shared.contracts.permissions import Permission as May
from shared.db.work import Work
from shared.web.calls import Call, Reply, created


@ROUTES.post(
    "/v1/equipment", may=May.CLINIC_WRITE, body=AddEquipment, reply=EquipmentView, status=201
)
async def add_equipment(work: Work, call: Call[AddEquipment]) -> Reply:
    """Enter an item of equipment."""
    wish = equipment.EquipmentWish(**call.given.model_dump())
    row = await equipment.add_equipment(work, wish)
    return created(EquipmentView.of(row), f"/v1/equipment/{row.id}")


@ROUTES.get("/v1/equipment", may=May.CLINIC_READ, query=ListEquipment, reply=EquipmentList)
async def list_equipment(work: Work, call: Call[ListEquipment]) -> Reply:
    """The equipment of a clinic."""
    await clinic(work, call.given.clinic_id)
    where = "clinic_id = $2 ORDER BY kind, position, id LIMIT 500"
    rows = await work.load_where(Equipment, where, call.given.clinic_id)
    return Reply(EquipmentList(items=[EquipmentView.of(row) for row in rows]))


@ROUTES.post(
    "/v1/equipment/{equipment_id}/out-of-service",
    may=May.CLINIC_WRITE,
    body=OutOfService,
    reply=OutOfServiceView,
    refuses=("equipment.out_of_service",),
)
async def take_out_of_service(work: Work, call: Call[OutOfService]) -> Reply:
    """Take an item out of service for some days, or put it back. Visits that have it stay."""
    given = call.given
    row, hit = await equipment.set_out_of_service(
        work, call.id("equipment_id"), given.since, given.until
    )
    return Reply(OutOfServiceView(equipment=EquipmentView.of(row), visits_hit=hit))
