"""Where the routes of documents that need nothing but the database are declared."""

from shared.web.routes import Routes

ROUTES = Routes("documents")
