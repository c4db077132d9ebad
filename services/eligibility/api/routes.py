"""Where the routes of eligibility are declared."""

from shared.web.routes import Routes

ROUTES = Routes("eligibility")
