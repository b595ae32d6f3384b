"""The report as one HTML file that needs nothing else."""

from html import escape
from typing import Any

STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse}td,th{padding:.3rem .8rem;border-bottom:1px solid #ddd}
td{text-align:right}td.text{text-align:left}svg{max-width:100%;height:auto}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(26rem,1fr));gap:1rem}
.good{color:#276221}.bad{color:#b00020;font-weight:bold}"""

YEARS = (
    ("days", "Days"),
    ("precipitationTenths", "Precipitation (mm)"),
    ("tempMaxSumTenths", "Mean high (°C)"),
    ("tempMinSumTenths", "Mean low (°C)"),
    ("windMaxTenths", "Strongest wind (m/s)"),
)


def decimal(tenths: int) -> str:
    """Writes tenths exactly, without needless digits: 128 is 12.8, 50 is 5."""
    whole, part = divmod(abs(tenths), 10)
    return f"{'-' if tenths < 0 else ''}{whole}{f'.{part}' if part else ''}"


def page(
    figures: dict[str, Any],
    charts: dict[str, str],
    verdicts: list[str],
    digest: dict[str, Any],
    work: list[dict[str, str]],
) -> str:
    """Gives the whole page; `verdicts` is empty where everything agrees."""
    drawn = "".join(
        f'<figure id="chart-{n}">{svg}</figure>' for n, svg in enumerate(charts.values())
    )
    span = f"{figures['days']} days, {figures['first']} to {figures['last']}"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>Weather in Seattle</title><style>{STYLE}</style></head><body>"
        f"<h1>Weather in Seattle</h1><p>{span} (NOAA).</p>"
        f"{verdict(verdicts)}{years(figures)}"
        f'<div class="charts">{drawn}</div>{digested(digest)}{agents(work)}</body></html>\n'
    )


def verdict(verdicts: list[str]) -> str:
    if not verdicts:
        good = "Every figure was recomputed by another agent, exactly and independently: all agree."
        return f'<p class="good" id="verdict">{good}</p>'
    items = "".join(f"<li>{escape(one)}</li>" for one in verdicts)
    return f'<div class="bad" id="verdict"><p>The figures do not agree:</p><ul>{items}</ul></div>'


def years(figures: dict[str, Any]) -> str:
    heads = "".join(f"<th>{title}</th>" for _, title in YEARS)
    rows = "".join(year_row(year) for year in figures["years"])
    return (
        f"<table><thead><tr><th>Year</th>{heads}<th>Hottest day</th><th>Wettest day</th></tr>"
        f"</thead><tbody>{rows}</tbody></table>"
    )


def year_row(year: dict[str, Any]) -> str:
    def cell(name: str, text: str) -> str:
        return f'<td data-figure="years.{year["year"]}.{name}">{text}</td>'

    hot, wet = year["hottest"], year["wettest"]
    cells = [
        cell("days", str(year["days"])),
        cell("precipitationTenths", decimal(year["precipitationTenths"])),
        cell("tempMaxSumTenths", f"{year['tempMaxSumTenths'] / year['days'] / 10:.2f}"),
        cell("tempMinSumTenths", f"{year['tempMinSumTenths'] / year['days'] / 10:.2f}"),
        cell("windMaxTenths", decimal(year["windMaxTenths"])),
        cell("hottest", f"{hot['date']}: {decimal(hot['tempMaxTenths'])} °C"),
        cell("wettest", f"{wet['date']}: {decimal(wet['precipitationTenths'])} mm"),
    ]
    return f"<tr><th>{year['year']}</th>{''.join(cells)}</tr>"


def digested(digest: dict[str, Any]) -> str:
    return (
        f'<p>Raw table: <span data-figure="digest.bytes">{digest.get("bytes")}</span> bytes, '
        f'<span data-figure="digest.rows">{digest.get("rows")}</span> rows, SHA-256 '
        f'<code data-figure="digest.sha256">{escape(str(digest.get("sha256")))}</code>.</p>'
    )


def agents(work: list[dict[str, str]]) -> str:
    rows = "".join(
        "<tr>"
        + "".join(
            f'<td class="text">{escape(one[name])}</td>'
            for name in ("what", "language", "name", "address")
        )
        + "</tr>"
        for one in work
    )
    return (
        "<h2>Who did what</h2><table><thead><tr><th>Work</th><th>Language</th><th>Agent</th>"
        f"<th>Address</th></tr></thead><tbody>{rows}</tbody></table>"
    )
