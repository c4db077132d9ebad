"""Routes of clinics, rooms, providers, types."""

from services.appointments.api.routes import ROUTES
from services.appointments.commands import setup
from services.appointments.queries import directory
from services.appointments.schemas.setup import (
    AddProvider,
    AddRoom,
    ClinicList,
    ClinicView,
    OpenClinic,
    ProviderList,
    ProviderView,
    PublishType,
    RoomView,
    TypeList,
    TypeView,
)
from services.appointments.tables import AppointmentType
from shared.contracts.permissions import Permission as May
from shared.db.work import Work
from shared.web.calls import Call, Reply, created


@ROUTES.post("/v1/clinics", may=May.CLINIC_WRITE, body=OpenClinic, reply=ClinicView, status=201)
async def open_clinic(work: Work, call: Call[OpenClinic]) -> Reply:
    """Enter a clinic."""
    row = await setup.open_clinic(work, setup.ClinicWish(**call.given.model_dump()))
    return created(ClinicView.of(row), f"/v1/clinics/{row.id}")


@ROUTES.get("/v1/clinics", may=May.CLINIC_READ, reply=ClinicList)
async def list_clinics(work: Work, call: Call[None]) -> Reply:
    """The clinics that the caller may know of."""
    rows = await directory.clinics(work)
    return Reply(ClinicList(items=[ClinicView.of(row) for row in rows]))


@ROUTES.get("/v1/clinics/{clinic_id}", may=May.CLINIC_READ, reply=ClinicView)
async def read_clinic(work: Work, call: Call[None]) -> Reply:
    """One clinic."""
    row = await setup.clinic(work, call.id("clinic_id"))
    return Reply(ClinicView.of(row), version=row.version)


@ROUTES.post("/v1/rooms", may=May.CLINIC_WRITE, body=AddRoom, reply=RoomView, status=201)
async def add_room(work: Work, call: Call[AddRoom]) -> Reply:
    """Enter a room."""
    given = call.given
    row = await setup.add_room(
        work, given.clinic_id, given.name, given.capacity, given.position, given.kind
    )
    view = RoomView(**{name: getattr(row, name) for name in RoomView.model_fields})
    return created(view, f"/v1/rooms/{row.id}")


@ROUTES.post(
    "/v1/providers",
    may=May.CLINIC_WRITE,
    body=AddProvider,
    reply=ProviderView,
    status=201,
    refuses=("npi.format", "npi.check_digit", "provider.npi_taken", "clinic.not_found"),
)
async def add_provider(work: Work, call: Call[AddProvider]) -> Reply:
    """Enter a provider."""
    wish = setup.ProviderWish(
        **{**call.given.model_dump(), "clinic_ids": tuple(call.given.clinic_ids)}
    )
    row, places = await setup.add_provider(work, wish)
    return created(ProviderView.of(row, places), f"/v1/providers/{row.id}")


@ROUTES.get("/v1/providers", may=May.CLINIC_READ, reply=ProviderList)
async def list_providers(work: Work, call: Call[None]) -> Reply:
    """The providers of the network."""
    rows = await directory.providers(work)
    return Reply(ProviderList(items=[ProviderView.of(row, places) for row, places in rows]))


@ROUTES.post(
    "/v1/appointment-types", may=May.CLINIC_WRITE, body=PublishType, reply=TypeView, status=201
)
async def publish_type(work: Work, call: Call[PublishType]) -> Reply:
    """Enter a kind of visit."""
    row = AppointmentType(
        id=work.new_id("type"), network_id=work.network_id, **call.given.model_dump()
    )
    return created(
        TypeView.of(await setup.publish_type(work, row)), f"/v1/appointment-types/{row.id}"
    )


@ROUTES.get("/v1/appointment-types", may=May.CLINIC_READ, reply=TypeList)
async def list_types(work: Work, call: Call[None]) -> Reply:
    """The kinds of visit of the network."""
    return Reply(TypeList(items=[TypeView.of(row) for row in await directory.types(work)]))
