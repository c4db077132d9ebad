"""PDF documents from Typst templates: tagged (PDF/UA-1), the same bytes for the same data."""

from shared.pdf.render import EMBEDDED_FONTS, RenderError, fonts_with, render, template

__all__ = ["EMBEDDED_FONTS", "RenderError", "fonts_with", "render", "template"]
