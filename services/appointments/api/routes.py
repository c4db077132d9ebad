"""Where the routes of appointments are declared."""

from shared.web.by_secret import SecretRoutes
from shared.web.routes import Routes

ROUTES = Routes("appointments")
SECRET_ROUTES = SecretRoutes()
