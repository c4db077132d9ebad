"""HTTP: parse, one command or query, answer."""

from services.documents.api import filing, packets  # noqa: F401 - they declare on ROUTES
from services.documents.api.content import with_store
from services.documents.api.routes import ROUTES
from services.documents.clients import ObjectStore
from shared.web.routes import Routes


def routes(store: ObjectStore) -> Routes:
    """All routes of documents; those that take and give bytes do so at this store."""
    found = Routes(ROUTES.tag, list(ROUTES.declared))
    with_store(found, store)
    return found


__all__ = ["routes"]
