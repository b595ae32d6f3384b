"""Tests of what the maker does where the agents that it found do not agree with its figures."""

from typing import Any

import figures
import maker
import pytest

import hubless
from hubless import Content, Skill
from hubless.testing import Mesh

pytest_plugins = ["hubless.pytest"]

FRAME = figures.read(figures.table())
GOOD = {"ok": True, "compared": 108, "mismatches": []}


def digest(**wrong: Any) -> dict[str, Any]:
    """What an honest digester answers, but for what is said otherwise of a column."""
    columns = {
        column: {
            "sumTenths": int(FRAME[column].sum()),
            "minTenths": int(FRAME[column].min()),
            "maxTenths": int(FRAME[column].max()),
        }
        for column in figures.COLUMNS
    }
    columns["wind"].update(wrong)
    return {"bytes": 1, "sha256": "00", "rows": len(FRAME), "columns": columns}


async def report(mesh: Mesh, digested: Any, check: Any) -> tuple[hubless.Error | None, str]:
    """Asks for a report that is made with agents of another node which answer this.

    Gives the error of the call, and the page.
    """

    async def digest_table(_: Content) -> Any:
        return digested

    async def render_chart(_: Content) -> Any:
        return {"svg": "<svg></svg>", "marks": 0, "ms": 0}

    async def check_figures(_: Content) -> Any:
        return check

    other = await mesh.start()
    for handler in (digest_table, render_chart, check_figures):
        skill = Skill(effect="PURE", attributes={"language": "test"})
        await other.register(handler, name=handler.__name__.replace("_", "-"), skill=skill)
    await maker.register(mesh.node)
    failed = None
    try:
        await mesh.node.request("weather-report", out=str(mesh.home))
    except hubless.Error as error:
        failed = error
    return failed, (mesh.home / "report.html").read_text("utf-8")


async def test_a_report_on_which_all_agree_says_so(hubless_mesh: Mesh) -> None:
    error, page = await report(hubless_mesh, digest(), GOOD)
    assert error is None
    assert 'class="good" id="verdict"' in page
    assert 'class="bad"' not in page
    assert '<td class="text">test</td>' in page


WRONG = [
    (digest(sumTenths=1), GOOD, "wind: "),
    ({**digest(), "rows": 1460}, GOOD, "rows: 1461 here, 1460 there"),
    ({}, GOOD, "rows: 1461 here, None there"),
    (digest(), {"ok": False, "compared": 0, "mismatches": []}, "check: not ok"),
    (
        digest(),
        {"ok": True, "mismatches": [{"figure": "days", "given": 1461, "found": 1}]},
        "days",
    ),
    (digest(), {}, "check: not ok"),
]


@pytest.mark.parametrize(("digested", "check", "said"), WRONG)
async def test_where_one_disagrees_the_report_is_red_and_the_call_fails(
    hubless_mesh: Mesh, digested: Any, check: Any, said: str
) -> None:
    error, page = await report(hubless_mesh, digested, check)
    assert error is not None
    assert error.kind == "handler_failed"
    assert said in str(error)
    assert 'class="bad" id="verdict"' in page
    assert said in page
    assert 'class="good"' not in page
