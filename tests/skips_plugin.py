"""In continuous integration (CI=true) a skipped test is a failed one.

A test that silently skips, because a browser or a data set is missing, checks nothing. Tests that may skip are listed in
tests/allowed_skips.txt, one node id a line, as pytest prints it; a parametrised test is listed without its brackets.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest

ALLOWED_SKIPS = Path(__file__).with_name("allowed_skips.txt")


def allowed_skips(text: str) -> frozenset[str]:
    """The node ids in the text of an allow list; blank lines and lines that start with # do not count."""
    lines = (line.strip() for line in text.splitlines())
    return frozenset(line for line in lines if line and not line.startswith("#"))


class SkipsAreFailures:
    """Turns the report of a skipped test or module into a failure, unless the allow list names it. An expected failure stays one."""

    def __init__(self, allowed: frozenset[str]) -> None:
        self._allowed = allowed

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if not hasattr(report, "wasxfail"):
            self._fail_if_skipped(report)
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        report = yield
        self._fail_if_skipped(report)
        return report

    def _fail_if_skipped(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.skipped and report.nodeid.partition("[")[0] not in self._allowed:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
            report.outcome = "failed"
            report.longrepr = f"{report.nodeid} was skipped, and tests/allowed_skips.txt does not list it: {reason}"


def pytest_configure(config: pytest.Config) -> None:
    """Active in continuous integration only: a developer without Chromium can still run the rest."""
    if os.environ.get("CI") == "true":
        config.pluginmanager.register(SkipsAreFailures(allowed_skips(ALLOWED_SKIPS.read_text(encoding="utf-8"))))
