"""Where the routes of patients are declared."""

from shared.web.routes import Routes

ROUTES = Routes("patients")
