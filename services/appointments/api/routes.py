"""Where the routes of appointments are declared."""

from shared.web.routes import Routes

ROUTES = Routes("appointments")
