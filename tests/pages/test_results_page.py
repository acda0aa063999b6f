"""The page of the tables: a contents list that leads to each, numbers in full, and what was not measured folded away."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from model.measuring.results import RESULTS_FOLDER, save_result
from model.tables.layout import METHOD_TITLES
from tests.made_results import make_result
from tests.pages.test_pages import make_client

EMPTY = {"meta", "link", "img", "br", "input"}


class Page(HTMLParser):
    """What a page holds: its links and ids, the columns of every row, and whether its tags nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tables: list[list[int]] = []
        self.links: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag not in EMPTY:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append(0)
        if tag in {"td", "th"}:
            self.tables[-1][-1] += int(values.get("colspan") or 1)
        self.links += [values["href"] or ""] if tag == "a" else []
        self.ids += [values["id"] or ""] if "id" in values else []

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def text(random_checkpoints: Path, tmp_path: Path) -> str:
    save_result(tmp_path / RESULTS_FOLDER, make_result())
    save_result(tmp_path / RESULTS_FOLDER / "epochs30", make_result(epochs=30))
    page: str = make_client(random_checkpoints, tmp_path).get("/results").text
    return page


def read(text: str) -> Page:
    page = Page()
    page.feed(text)
    return page


def test_every_row_is_as_wide_as_its_tables_head(text: str) -> None:
    page = read(text)
    assert page.open == [] and len(page.tables) > 5
    assert all(len(set(rows)) == 1 for rows in page.tables)


def test_the_contents_lead_to_every_table(text: str) -> None:
    page = read(text)
    inside = [link.removeprefix("#") for link in page.links if link.startswith("#table-")]
    assert len(inside) == text.count('<section id="table-')
    assert set(inside) <= set(page.ids)
    assert ">30 epochs</a>" in text


def test_rows_without_a_number_are_folded_away_with_their_commands(text: str) -> None:
    assert "unturned train --method eac" in text
    for part in text.split("</table>")[:-1]:
        assert "unturned train" not in part.rpartition("<table>")[2]


def test_printed_and_measured_stand_together_and_misprints_are_marked(text: str) -> None:
    assert "<td>88.36 <sup>(5)</sup></td>" in text  # as copied, 88.36 (5): no digit of the number
    assert "<td>73.61</td>" in text  # printed
    assert "<td>71.43 [12.5, 87.5]</td>" in text  # measured


def test_text_is_escaped(random_checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METHOD_TITLES, "baseline", "<b>Plain</b> & co")
    client: TestClient = make_client(random_checkpoints, tmp_path)
    save_result(tmp_path / RESULTS_FOLDER, make_result())
    assert "<b>Plain" not in client.get("/results").text
    assert "&lt;b&gt;Plain&lt;/b&gt; &amp; co" in client.get("/results").text
