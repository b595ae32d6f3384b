"""The four charts of the report as Vega-Lite specifications with their data inline."""

from typing import Any

import pandas as pd

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


def specifications(figures: dict[str, Any], frame: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Gives each chart by its title."""
    return {
        "Mean temperature by month": temperature_band(figures),
        "Precipitation by month": precipitation(figures),
        "Days by kind of weather": weather(figures),
        "Daily maximum temperature": daily_maximum(frame),
    }


def axis(field: str, kind: str, title: str, **more: Any) -> dict[str, Any]:
    return {"field": field, "type": kind, "title": title, **more}


def chart(
    values: list[dict[str, Any]], mark: dict[str, Any], encoding: dict[str, Any], title: str
) -> dict[str, Any]:
    return {
        "$schema": SCHEMA,
        "title": title,
        "width": 420,
        "height": 220,
        "data": {"values": values},
        "mark": mark,
        "encoding": encoding,
    }


def temperature_band(figures: dict[str, Any]) -> dict[str, Any]:
    values = [
        {
            "month": MONTHS[month["month"] - 1],
            "low": round(month["tempMinSumTenths"] / month["days"] / 10, 2),
            "high": round(month["tempMaxSumTenths"] / month["days"] / 10, 2),
        }
        for month in figures["months"]
    ]
    encoding = {
        "x": axis("month", "ordinal", "month", sort=MONTHS),
        "y": axis("low", "quantitative", "mean of daily low and high (°C)"),
        "y2": {"field": "high"},
        "color": {"value": "#d9822b"},
    }
    return chart(values, {"type": "bar"}, encoding, "Mean temperature by month")


def precipitation(figures: dict[str, Any]) -> dict[str, Any]:
    values = [
        {"month": MONTHS[month["month"] - 1], "precipitation": month["precipitationTenths"] / 10}
        for month in figures["months"]
    ]
    encoding = {
        "x": axis("month", "ordinal", "month", sort=MONTHS),
        "y": axis("precipitation", "quantitative", "precipitation in all years (mm)"),
        "color": {"value": "#3b78b5"},
    }
    return chart(values, {"type": "bar"}, encoding, "Precipitation by month")


def weather(figures: dict[str, Any]) -> dict[str, Any]:
    values = [{"weather": kind, "days": days} for kind, days in figures["weather"].items()]
    encoding = {
        "x": axis("weather", "nominal", "weather", sort="-y"),
        "y": axis("days", "quantitative", "days"),
        "color": {"value": "#5c8f57"},
    }
    return chart(values, {"type": "bar"}, encoding, "Days by kind of weather")


def daily_maximum(frame: pd.DataFrame) -> dict[str, Any]:
    days = frame["date"].dt.strftime("%Y-%m-%d")
    values = [
        {"date": date, "maximum": tenths / 10}
        for date, tenths in zip(days, frame["temp_max"].tolist(), strict=True)
    ]
    encoding = {
        "x": axis("date", "temporal", "date"),
        "y": axis("maximum", "quantitative", "daily maximum (°C)"),
        "color": {"value": "#b5483b"},
    }
    return chart(values, {"type": "circle", "size": 6}, encoding, "Daily maximum temperature")
