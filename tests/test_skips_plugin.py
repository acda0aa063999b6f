"""A skip fails in continuous integration, and only there, unless it is allowed."""

from __future__ import annotations

import pytest

from tests import skips_plugin
from tests.skips_plugin import SkipsAreFailures, allowed_skips

pytest_plugins = ["pytester"]

TESTS = """
import pytest

def test_passes():
    pass

@pytest.mark.parametrize("value", [1, 2])
def test_skips(value):
    pytest.skip("no browser")

@pytest.mark.skip(reason="no data")
def test_is_marked():
    pass

@pytest.mark.xfail(reason="known", strict=True)
def test_fails_as_expected():
    assert False
"""


def test_a_skip_that_is_not_listed_fails(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_browser=TESTS)
    result = pytester.inline_run(plugins=[SkipsAreFailures(frozenset({"test_browser.py::test_skips"}))])
    passed, skipped, failed = result.listoutcomes()
    assert [report.nodeid for report in passed] == ["test_browser.py::test_passes"]
    assert [report.nodeid for report in failed] == ["test_browser.py::test_is_marked"]
    assert "no data" in str(failed[0].longrepr)
    assert {report.nodeid.partition("[")[0] for report in skipped} == {
        "test_browser.py::test_skips",
        "test_browser.py::test_fails_as_expected",
    }


def test_a_module_that_skips_itself_fails(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_module="import pytest\npytest.importorskip('no_such_package')")
    assert pytester.inline_run(plugins=[SkipsAreFailures(frozenset())]).ret == pytest.ExitCode.INTERRUPTED
    assert pytester.inline_run(plugins=[SkipsAreFailures(frozenset({"test_module.py"}))]).ret == pytest.ExitCode.NO_TESTS_COLLECTED


@pytest.mark.parametrize(("ci", "failures"), [("true", 2), (None, 0)])
def test_only_continuous_integration_forbids_skips(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, ci: str | None, failures: int
) -> None:
    monkeypatch.delenv("CI", raising=False)
    if ci:
        monkeypatch.setenv("CI", ci)
    pytester.makepyfile("import pytest\ndef test_one(): pytest.skip('no')\ndef test_two(): pytest.skip('no')")
    result = pytester.runpytest_inprocess(plugins=[skips_plugin])
    result.assert_outcomes(failed=failures, skipped=2 - failures)


def test_the_allow_list_has_comments() -> None:
    assert allowed_skips("# why\n\n tests/test_a.py::test_b \n") == {"tests/test_a.py::test_b"}
