"""The registry that every table of appointments is on."""

from sqlalchemy.orm import registry
from sqlmodel import SQLModel


class Base(SQLModel, registry=registry()):
    """Holds this service's metadata apart from every other service's in the process."""


metadata = Base.metadata
