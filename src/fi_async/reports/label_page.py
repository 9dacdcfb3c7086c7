"""The page on which people label: one file that loads nothing but what the command serves."""

from __future__ import annotations

from html import escape
from string import Template

from fi_async.reports.html_page import asset, digest


def render_label_page(template: str) -> tuple[str, str]:
    """Return the page as HTML, and the Content-Security-Policy under which it runs, and nothing else does.

    No case is in it: the page asks for each, and shows it as text.

    Args:
        template: The name of the template, for the title.
    """
    style, script = asset("label.css"), asset("label.js")
    page = Template(asset("label.html")).substitute(title=escape(template), style=style, script=script)
    rules = (
        "default-src 'none'",
        f"script-src {digest(script)}",
        f"style-src {digest(style)}",
        "connect-src 'self'",
        "img-src data:",  # the page's empty icon, for which a browser would ask again and again
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
    return page, "; ".join(rules)
