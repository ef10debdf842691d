"""Files with learning curves."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from oige_core.errors import OigeError, reason

from oige_train.plots.drawing import Curve, draw_curves
from oige_train.plots.images import png_image, svg_image

__all__ = ["FORMATS", "write_plot"]

FORMATS = (".svg", ".png", ".html")
PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; font-family: sans-serif }}
body {{ max-width: 60rem; margin: 1rem auto; padding: 0 1rem }}
svg {{ width: 100%; height: auto }}
table {{ border-collapse: collapse }}
th, td {{ padding: .2rem .8rem; text-align: right }}
th:first-child, td:first-child {{ text-align: left }}
</style>
<h1>{title}</h1>
{image}
<table>
<tr><th>run</th><th>steps</th><th>last</th><th>best</th></tr>
{rows}
</table>
</html>
"""


def write_plot(file: Path, curves: Sequence[Curve], quantity: str) -> None:
    """Write an image, or a page with an image and a table.

    Args:
        file: the file; its suffix, one of :data:`FORMATS`, selects the format.
        curves: the curves.
        quantity: name of the values.

    Raises:
        OigeError: the file cannot be written.
    """
    drawing = draw_curves(curves, quantity)
    title = f"{quantity[:1].upper()}{quantity[1:]}"
    if file.suffix.lower() == ".png":
        content = png_image(drawing)
    else:
        text = svg_image(drawing, title)
        if file.suffix.lower() == ".html":
            text = PAGE.format(title=escape(title), image=text, rows="\n".join(map(_row, curves)))
        content = text.encode()
    try:
        file.write_bytes(content)
    except OSError as error:
        raise OigeError(f"{file}: cannot be written ({reason(error)}).") from error


def _row(curve: Curve) -> str:
    values = [value for _, value in curve.points]
    cells = [escape(curve.label), f"{curve.points[-1][0]:,}", f"{values[-1]:,.2f}", f"{max(values):,.2f}"]
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
