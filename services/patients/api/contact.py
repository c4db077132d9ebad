"""Routes of other people to turn to."""

from services.patients.api.people import patient_lock
from services.patients.api.routes import ROUTES
from services.patients.commands import contact as commands
from services.patients.domain.address import checked_address
from services.patients.domain.contact import checked_email, checked_phone
from services.patients.domain.names import PersonName, checked_name
from services.patients.queries import contact as queries
from services.patients.queries.people import person
from services.patients.schemas.contact import AddContact, ContactList, ContactView
from shared.contracts.permissions import Permission as May
from shared.db.work import Work
from shared.web.calls import Call, Reply


@ROUTES.post(
    "/v1/patients/{patient_id}/contacts",
    may=May.PATIENT_WRITE,
    body=AddContact,
    reply=ContactView,
    status=201,
    refuses=("contact.self", "name.missing", "phone.invalid", "email.invalid"),
    locks=patient_lock,
)
async def add_contact(work: Work, call: Call[AddContact]) -> Reply:
    """Add an emergency contact, a next of kin or a guarantor."""
    call.concerns(call.id("patient_id"))
    row = await commands.add_contact(work, call.id("patient_id"), _checked(call.given))
    if row.contact_patient_id is not None:
        call.concerns(row.contact_patient_id)
    location = f"/v1/patients/{row.patient_id}/contacts/{row.id}"
    return Reply(ContactView.of(row), 201, location=location)


@ROUTES.get("/v1/patients/{patient_id}/contacts", may=May.PATIENT_READ, reply=ContactList)
async def list_contacts(work: Work, call: Call[None]) -> Reply:
    """Whom to turn to for a patient."""
    row = await person(work, call.id("patient_id"))
    call.concerns(row.id)
    rows = await queries.contacts(work, row.id)
    return Reply(ContactList(items=[ContactView.of(found) for found in rows]))


@ROUTES.get(
    "/v1/patients/{patient_id}/contacts/{contact_id}", may=May.PATIENT_READ, reply=ContactView
)
async def read_contact(work: Work, call: Call[None]) -> Reply:
    """One contact, ended or not."""
    call.concerns(call.id("patient_id"))
    row = await queries.contact(work, call.id("patient_id"), call.id("contact_id"))
    return Reply(ContactView.of(row))


@ROUTES.post(
    "/v1/patients/{patient_id}/contacts/{contact_id}/end",
    may=May.PATIENT_WRITE,
    reply=ContactView,
    refuses=("contact.already_ended",),
    locks=patient_lock,
)
async def end_contact(work: Work, call: Call[None]) -> Reply:
    """No longer turn to somebody. The contact stays on record."""
    call.concerns(call.id("patient_id"))
    row = await commands.end_contact(work, call.id("patient_id"), call.id("contact_id"))
    return Reply(ContactView.of(row))


def _checked(given: AddContact) -> commands.NewContact:
    """The contact with each part checked. One who is a patient needs no name here."""
    name = PersonName(None, None)
    if given.name is not None or given.contact_patient_id is None:
        sent = {} if given.name is None else given.name.model_dump()
        name = checked_name(**{"family": None, "given": None, **sent})
    address = given.address
    return commands.NewContact(
        kind=given.kind,
        relationship=given.relationship,
        contact_patient_id=given.contact_patient_id,
        family=name.family,
        given=name.given,
        phone=None if given.phone is None else checked_phone(given.phone),
        email=None if given.email is None else checked_email(given.email),
        address=None if address is None else checked_address(**address.model_dump()),
    )
