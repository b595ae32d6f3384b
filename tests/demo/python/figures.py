"""The figures of the weather table, by pandas, as integer numbers of tenths."""

import io
from typing import Any

import pandas as pd
from vega_datasets import local_data

COLUMNS = ("precipitation", "temp_max", "temp_min", "wind")


def table() -> bytes:
    """Gives the table as it was shipped."""
    with open(local_data.seattle_weather.filepath, "rb") as file:
        return file.read()


def read(csv: bytes) -> pd.DataFrame:
    """Reads the table; every number becomes an exact count of tenths."""
    frame = pd.read_csv(io.BytesIO(csv), parse_dates=["date"], date_format="%Y/%m/%d")
    for column in COLUMNS:
        tenths = (frame[column] * 10).round()
        if ((frame[column] * 10 - tenths).abs() > 1e-6).any():
            raise ValueError(f"{column} has more than one decimal")
        frame[column] = tenths.astype("int64")
    return frame.sort_values("date", ignore_index=True)


def compute(frame: pd.DataFrame) -> dict[str, Any]:
    """Computes what the report says."""
    years = frame.groupby(frame["date"].dt.year)
    months = frame.groupby(frame["date"].dt.month)
    return {
        "days": len(frame),
        "first": day(frame["date"].iloc[0]),
        "last": day(frame["date"].iloc[-1]),
        "years": [of_year(int(year), part) for year, part in years],
        "months": [{"month": int(month), **sums(part)} for month, part in months],
        "weather": {str(kind): int(days) for kind, days in frame["weather"].value_counts().items()},
    }


def sums(part: pd.DataFrame) -> dict[str, int]:
    return {
        "days": len(part),
        "precipitationTenths": int(part["precipitation"].sum()),
        "tempMaxSumTenths": int(part["temp_max"].sum()),
        "tempMinSumTenths": int(part["temp_min"].sum()),
    }


def of_year(year: int, part: pd.DataFrame) -> dict[str, Any]:
    # idxmax gives the first of equals, and the rows are in the order of the dates.
    hottest = part.loc[part["temp_max"].idxmax()]
    wettest = part.loc[part["precipitation"].idxmax()]
    return {
        "year": year,
        **sums(part),
        "windMaxTenths": int(part["wind"].max()),
        "hottest": {"date": day(hottest["date"]), "tempMaxTenths": int(hottest["temp_max"])},
        "wettest": {
            "date": day(wettest["date"]),
            "precipitationTenths": int(wettest["precipitation"]),
        },
    }


def day(date: Any) -> str:
    return str(date.strftime("%Y-%m-%d"))


def disagreements(frame: pd.DataFrame, digest: dict[str, Any]) -> list[str]:
    """Compares pandas with the digest that another agent made of the raw bytes."""
    found = []
    if digest.get("rows") != len(frame):
        found.append(f"rows: {len(frame)} here, {digest.get('rows')} there")
    for column in COLUMNS:
        here = {
            "sumTenths": int(frame[column].sum()),
            "minTenths": int(frame[column].min()),
            "maxTenths": int(frame[column].max()),
        }
        there = digest.get("columns", {}).get(column)
        if here != there:
            found.append(f"{column}: {here} here, {there} there")
    return found
