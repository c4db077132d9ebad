"""PDF documents from Typst templates: tagged (PDF/UA-1), the same bytes for the same data."""

from shared.pdf.render import RenderError, fonts_with, render, template

__all__ = ["RenderError", "fonts_with", "render", "template"]
