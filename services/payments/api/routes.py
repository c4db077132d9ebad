"""Where the routes of payments are declared."""

from shared.web.routes import Routes

ROUTES = Routes("payments")
