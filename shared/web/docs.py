"""`/docs`: Swagger UI from files that are installed with the service; nothing comes from a CDN."""

from importlib.resources import files

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

_FILES = {
    "swagger-ui-bundle.js": "application/javascript",
    "swagger-ui.css": "text/css",
}

_START = """
window.onload = () => {
  window.ui = SwaggerUIBundle({url: "/openapi.json", dom_id: "#swagger-ui", tryItOutEnabled: true});
};
"""

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<link rel="stylesheet" href="/docs/swagger-ui.css"><link rel="icon" href="data:,"></head>
<body><div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script>
</body></html>"""

_POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline';"
    " frame-ancestors 'none'; base-uri 'none'"
)


def add_docs(app: FastAPI) -> None:
    """Serve `/openapi.json` and `/docs`."""

    async def openapi(_request: Request) -> Response:
        import orjson

        return Response(orjson.dumps(app.openapi()), media_type="application/json")

    async def page(_request: Request) -> Response:
        text = _PAGE.format(title=app.title)
        return Response(text, media_type="text/html", headers={"Content-Security-Policy": _POLICY})

    async def asset(request: Request) -> Response:
        name = request.path_params["name"]
        if name == "start.js":
            return Response(_START, media_type="application/javascript")
        if name not in _FILES:
            return Response(status_code=404)
        content = (files("fastapi_swagger") / "resources" / name).read_bytes()
        return Response(content, media_type=_FILES[name])

    app.add_route("/openapi.json", openapi, include_in_schema=False)
    app.add_route("/docs", page, include_in_schema=False)
    app.add_route("/docs/{name}", asset, include_in_schema=False)
