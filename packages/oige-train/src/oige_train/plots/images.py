"""Drawings as SVG and PNG images."""

import io
from html import escape

from oige_train.plots.drawing import WIDTH, Drawing, Path, Rule, Text

__all__ = ["png_image", "svg_image"]

TEXT, GRID = "#808890", "#80889055"
#: Pixels of a PNG image for each pixel of a drawing.
SCALE = 2
ANCHORS = {"start": "ls", "middle": "ms", "end": "rs"}


def svg_image(drawing: Drawing, title: str) -> str:
    """Return an SVG image that is readable on light and dark pages.

    Args:
        drawing: what to draw.
        title: description for screen readers.
    """
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {drawing.height}" width="{WIDTH}" '
        f'height="{drawing.height}" role="img" font-family="sans-serif" font-size="12" fill="{TEXT}">',
        f"<title>{escape(title)}</title>",
        *(_svg_element(part) for part in drawing.parts),
        "</svg>",
        "",
    ]
    return "\n".join(parts)


def _svg_element(part: Rule | Text | Path) -> str:
    if isinstance(part, Path):
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in part.points)
        return f'<polyline points="{line}" fill="none" stroke="{part.color}" stroke-width="2"/>'
    if isinstance(part, Rule):
        x, y = map(_svg_number, part.start)
        if part.color is None:
            return f'<path d="M{x} {y}H{_svg_number(part.end)}" stroke="{GRID}"/>'
        return f'<path d="M{x} {y}h{part.end - part.start[0]:g}" stroke="{part.color}" stroke-width="{part.width}"/>'
    x, y = map(_svg_number, part.position)
    anchor = "" if part.anchor == "start" else f' text-anchor="{part.anchor}"'
    turn = f' transform="rotate(-90 {x} {y})"' if part.rotated else ""
    return f'<text x="{x}" y="{y}"{anchor}{turn}>{escape(part.text)}</text>'


def _svg_number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.1f}"


def png_image(drawing: Drawing) -> bytes:
    """Return a PNG image on white, twice as wide and high as the drawing."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (WIDTH * SCALE, drawing.height * SCALE), "white")
    draw = ImageDraw.Draw(image, "RGBA")  # blends colours
    font = ImageFont.load_default(12 * SCALE)
    for part in drawing.parts:
        if isinstance(part, Path):
            draw.line([(x * SCALE, y * SCALE) for x, y in part.points], part.color, 2 * SCALE, joint="curve")
        elif isinstance(part, Rule):
            (x, y), end = part.start, part.end
            line = [(x * SCALE, y * SCALE), (end * SCALE, y * SCALE)]
            draw.line(line, part.color or GRID, part.width * SCALE)
        else:
            x, y = (SCALE * value for value in part.position)
            text = part.text.replace("−", "-")  # the font has no minus sign
            if part.rotated:
                left, top, right, bottom = font.getbbox(text, anchor="ls")
                turned = Image.new("L", (round(right - left), round(bottom - top)), 0)
                ImageDraw.Draw(turned).text((-left, -top), text, 255, font, anchor="ls")
                turned = turned.rotate(90, expand=True)
                image.paste(TEXT, (round(x + top), round(y - turned.height / 2)), turned)
            else:
                draw.text((x, y), text, TEXT, font, anchor=ANCHORS[part.anchor])
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()
