"""tests/browser.py: each of its checks finds what it is there to find."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.browser import Browser

pytestmark = pytest.mark.browser
FLAWS = """<!doctype html><title>flaws</title><body style="margin: 0">
<p style="color: #999">in grey</p>
<div style="overflow: auto; width: 9em; white-space: nowrap">a long line of text that slides in its frame</div>
<div style="overflow: hidden; width: 9em; white-space: nowrap">a long line of text that its box cuts off</div>
<svg width="50" height="20"><text y="15">drawn beyond the drawing</text></svg>
<div style="width: 2000px; height: 1px"></div>
<img alt="gone" src="gone.png"><img alt="far" src="https://example.org/far.png">
"""


@pytest.mark.parametrize("served", [True, False])
def test_flaws_are_found(served: bool, browser: Browser, tmp_path: Path, server: Callable[[Path], str]) -> None:
    (tmp_path / "flaws.html").write_text(FLAWS)
    browser.open(f"{server(tmp_path)}/flaws.html" if served else tmp_path / "flaws.html", width=800)
    assert browser.overflow() == 1200
    assert browser.cut_off() == ["a long line of text that its box cuts off", "drawn beyond the drawing"]
    assert browser.broken_images() == ["gone", "far"]
    assert browser.outside_requests() == ["https://example.org/far.png"]
    assert len([line for line in browser.complaints() if "gone.png" in line or "far.png" in line]) == 2
    rules = [found.partition(":")[0] for found in browser.barriers()]
    assert rules == ["color-contrast", "html-has-lang", "scrollable-region-focusable"]


def test_what_is_in_order_is_not_found(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "fine.html").write_text("<!doctype html><html lang=en><title>fine</title><p>in order</p>")
    browser.open(tmp_path / "fine.html", width=380)
    found = (browser.overflow(), browser.cut_off(), browser.broken_images(), browser.outside_requests())
    assert found == (0, [], [], [])
    assert browser.barriers() == []
    assert browser.complaints() == []
