"""How Sphinx makes the site of the pages that ``tools/build_docs.py`` lays out; ``make docs`` runs both."""

import re

from sphinx.util.typing import stringify_annotation

from distill import __version__, settings

project = "distill + transfer"
version = release = __version__
html_title = project
html_theme = "furo"
html_static_path = ["site.css"]
html_css_files = ["site.css"]

html_use_index = False
html_show_copyright = html_show_sphinx = html_copy_source = False

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_heading_anchors = 4  # the anchors that GitHub has, so that a link to none is a warning
myst_url_schemes = {"http": None, "https": None, "site": "{{path}}"}  # site: a file that is no page
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
napoleon_use_rtype = False
napoleon_use_ivar = True  # "Attributes:" is a list; members have entries of their own
napoleon_custom_sections = [("Metrics", "returns_style")]
highlight_language = "none"
maximum_signature_line_length = 80

SETTINGS = {  # as Sphinx writes an annotation of ours -> its name
    stringify_annotation(kind, "smart"): name
    for name, kind in vars(settings).items() if hasattr(kind, "__metadata__")
}  # fmt: skip
PIECES = re.compile(r"(``.+?``|^ *>>>.*$)", re.DOTALL | re.MULTILINE)


def as_plain_text(app, what, name, obj, options, lines: list[str]) -> None:
    """Docstrings are English with ``code``, no reStructuredText: ``*``, ``|`` and ``_`` mean themselves."""
    pieces = PIECES.split("\n".join(lines))
    pieces[::2] = [re.sub(r"([*|`\\]|(?<=\w)_(?!\w))", r"\\\1", piece) for piece in pieces[::2]]
    text = re.sub(r"^( +(?:\w+, )+\w+,)\n +((?:\w+, )*\w+: )", r"\1 \2", "".join(pieces), flags=re.MULTILINE)
    lines[:] = text.split("\n")  # names of several arguments that fill more than a line are on one now


def with_names(app, what, name, obj, options, signature: str | None, returns: str | None) -> tuple:
    """``Annotated[int, Ge(ge=1)]`` is shown by the name under which ``distill.settings`` explains it."""
    for written, kind in sorted(SETTINGS.items(), key=lambda item: -len(item[0])):  # some hold others
        signature = signature and signature.replace(written, kind)
    return signature, returns


def setup(app) -> None:
    app.connect("autodoc-process-signature", with_names)
    app.connect("autodoc-process-docstring", as_plain_text, priority=400)  # before napoleon's
