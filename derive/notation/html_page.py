"""Owns a page as HTML: one file, no script, nothing fetched, formulas as MathML Core."""

from __future__ import annotations

from html import escape

from derive.notation import latex, mathml
from derive.notation.breaking import broken
from derive.notation.tree import (
    Array,
    Block,
    Called,
    Code,
    Display,
    Displays,
    Grid,
    Heading,
    Inline,
    Link,
    Node,
    Page,
    Paragraph,
    Sign,
    Span,
    Strong,
    pieces,
)

LINE = 440.0
"""Points (at 10 pt) that a right-hand side may take before it is broken."""

STYLE = """
body{max-width:52rem;margin:2rem auto;padding:0 1rem;line-height:1.5;font-family:Georgia,serif;
color:#111;background:#fff}
h1{font-size:1.6rem}h2{font-size:1.25rem;margin-top:2rem}h3{font-size:1.05rem}
code{font-family:monospace;font-size:.95em}.scroll{overflow-x:auto}
table{border-collapse:collapse;margin:.6rem 0 .6rem 1rem}td{padding:.15rem .25rem;vertical-align:baseline}
td.number{padding-left:2rem;text-align:right}td.why{font-size:.85rem;font-style:italic;padding-bottom:.5rem}
td.left{text-align:right}
table.grid{font-size:.8rem}table.grid td,table.grid th{padding:.1rem .4rem;text-align:center}
table.grid th{font-weight:normal}table.grid thead th{border-bottom:1px solid}
table.grid th:first-child{text-align:right;border-right:1px solid}
@media (prefers-color-scheme:dark){body{color:#eee;background:#161616}}
@media print{body{max-width:none;margin:0;padding:0;color:#111;background:#fff}.scroll{overflow:visible}
table{margin-left:0}.scroll math{font-size:.8em}table.grid math{font-size:1em}td{padding:.1rem .15rem}
td.number{padding-left:.3rem}h2,h3{break-after:avoid}tr{break-inside:avoid}}
""".strip()


def page(document: Page) -> str:
    """The whole file."""
    plain = escape("".join(s if isinstance(s, str) else getattr(s, "text", "") for s in document.title))
    body = "\n".join(block(item) for item in document.blocks)
    head = (
        f'<meta charset="utf-8">\n<meta name="viewport" content="width=device-width">\n<title>{plain}</title>'
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{head}\n<style>\n{STYLE}\n</style>\n</head>\n<body>\n'
        f"<h1>{inline(document.title)}</h1>\n{body}\n</body>\n</html>\n"
    )


def block(item: Block) -> str:
    match item:
        case Heading(text, level):
            return f"<h{level}>{inline(text)}</h{level}>"
        case Paragraph(text):
            return f"<p>{inline(text)}</p>"
        case Displays(rows):
            lines = "\n".join(line for row in rows for line in _display(row))
            return f'<div class="scroll"><table>\n{lines}\n</table></div>'
        case Grid():
            return _grid(item)
    raise TypeError(f"{type(item).__name__} has no HTML: add it in derive/notation/html_page.py")


def _grid(item: Grid) -> str:
    def head(node: Node | None, scope: str) -> str:
        return f'<th scope="{scope}">{f"<math>{mathml.written(node)}</math>" if node else ""}</th>'

    titles = "".join(head(node, "col") for node in (item.corner, *item.columns))
    rows = [
        f"<tr>{head(label, 'row')}{''.join(f'<td><math>{mathml.written(c)}</math></td>' for c in cells)}</tr>"
        for label, cells in item.rows
    ]
    body = "\n".join(rows)
    return (
        f'<div class="scroll"><table class="grid"><thead><tr>{titles}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def inline(parts: Inline) -> str:
    return "".join(map(_span, parts))


def _span(span: Span) -> str:
    match span:
        case str():
            return escape(span)
        case Code(text):
            return f"<code>{escape(text)}</code>"
        case Strong(text):
            return f"<strong>{escape(text)}</strong>"
        case Called(tensor):
            return f"<math>{mathml.written(Array(tensor))}</math> (<code>{escape(tensor)}</code>)"
        case Sign(text):
            return f"<math>{mathml.operator(text)}</math>"
    return f"<math>{mathml.written(span)}</math>"


def _display(row: Display) -> list[str]:
    left = mathml.math(mathml.written(row.left))
    if len(row.links) > 1:
        return [
            f'<tr><td colspan="3">{left}</td></tr>',
            *(line for link in row.links for line in _link("", link)),
        ]
    return _link(left, row.links[0])


def _link(left: str, link: Link) -> list[str]:
    first, *rest = broken(pieces(link.right), latex.piece_width, LINE, LINE)
    number = f"({link.number})" if link.number else ""
    relation = f"<math>{mathml.operator(link.relation.value)}</math>"
    out = [_row(left, relation, mathml.math(mathml.joined(first)), number)]
    out += [_row("", "", "&emsp;" + mathml.math(mathml.joined(line)), "") for line in rest]
    if link.reason:
        out.append(f'<tr><td colspan="2"></td><td class="why" colspan="2">{inline(link.reason)}</td></tr>')
    return out


def _row(left: str, relation: str, right: str, number: str) -> str:
    cells = (("left", left), ("relation", relation), ("right", right), ("number", number))
    inside = "".join(f'<td class="{kind}">{cell}</td>' for kind, cell in cells)
    return f"<tr>{inside}</tr>"
