"""The registry of this service's tables, apart from every other service's in the process."""

from sqlalchemy.orm import registry
from sqlmodel import SQLModel


class Base(SQLModel, registry=registry()):
    """Holds this service's metadata."""


metadata = Base.metadata
