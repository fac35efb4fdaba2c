"""A headless Chromium that reaches nothing but files and 127.0.0.1, and what a test asks of a page in it.

`browser` is a fixture of all tests (tests/conftest.py); mark its tests with `browser`. Needed
are Debian's packages chromium and chromium-driver: without them these tests are skipped, but fail where the environment
variable REQUIRE_BROWSER is set.
"""

import base64
import json
import os
import shutil
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--allow-file-access-from-files",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
LOCAL = ("file:", "data:", "blob:", "about:", "chrome:", "chrome-untrusted:", "http://127.0.0.1:")

# Text that reaches out of the window, or out of the drawing or the box that cuts it off; frames that scroll are let be.
CUT_OFF = """
const found = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const text = walker.currentNode, parent = text.parentElement;
  if (!text.data.trim() || parent.closest("script, style, details:not([open]) > :not(summary)")) continue;
  const range = document.createRange();
  range.selectNodeContents(text);
  const box = range.getBoundingClientRect();
  if (!box.width) continue;
  let outside = false;
  for (let around = parent; around; around = around.parentElement) {
    const style = getComputedStyle(around), frame = around.getBoundingClientRect();
    if (style.overflowX === "auto" || style.overflowX === "scroll") { outside = false; break; }
    const cuts = around.tagName === "svg" || style.overflowX === "hidden" || around === document.body;
    if (cuts && (box.left < frame.left - 1 || box.right > frame.right + 1)) outside = true;
  }
  if (outside) found.push(text.data.trim());
}
return found;
"""

AXE = Path(sysconfig.get_path("purelib")) / "selenium_axe_python/axe-core/axe.min.js"
BARRIERS = """
const done = arguments[arguments.length - 1];
const rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
axe.run(document, {resultTypes: ["violations"], runOnly: rules}).then(found => done(found.violations
  .filter(({impact}) => impact === "serious" || impact === "critical")
  .map(({id, nodes}) => `${id}: ${nodes[0].html}`)));
"""


@dataclass(frozen=True)
class Browser:
    driver: Any  # selenium.webdriver.Chrome

    def open(self, address: str | Path, width: int = 1280, height: int = 900) -> None:
        """Load a file or an address in a window of so many CSS pixels; what was logged before is forgotten."""
        self.resize(width, height)
        for log in ("browser", "performance"):
            self.driver.get_log(log)
        self.driver.get(address.resolve().as_uri() if isinstance(address, Path) else address)

    def resize(self, width: int, height: int = 900) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def emulate(self, media: str) -> None:
        """Show pages as on paper ("print"), or on a screen that is "light" or "dark", from now on."""
        dark = {"name": "prefers-color-scheme", "value": "dark" if media == "dark" else "light"}
        emulated = {"media": "print" if media == "print" else "screen", "features": [dark]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", emulated)

    def wait_until(self, script: str, seconds: float = 120) -> None:
        """Wait until the JavaScript expression is true."""
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, seconds, 0.05).until(
            lambda driver: driver.execute_script(f"return {script}"), script
        )

    def ask(self, script: str) -> Any:
        """What a JavaScript expression is."""
        return self.driver.execute_script(f"return {script}")

    def complaints(self) -> list[str]:
        """Errors in the console since the page was opened."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]

    def outside_requests(self) -> list[str]:
        """The addresses that the page asked for since it was opened, but for files and 127.0.0.1."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        sent = [message for message in messages if message["method"] == "Network.requestWillBeSent"]
        asked = [message["params"]["request"]["url"] for message in sent]
        return [url for url in asked if not url.startswith(LOCAL)]

    def overflow(self) -> int:
        """By how many CSS pixels the page is wider than the window."""
        return self.ask("document.documentElement.scrollWidth - document.documentElement.clientWidth")

    def press(self, *keys: str) -> None:
        """As on a keyboard, wherever the focus is."""
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def barriers(self) -> list[str]:
        """What axe-core finds of serious or critical impact: rule, and the first place."""
        self.driver.execute_script(AXE.read_text(encoding="utf-8"))
        return self.driver.execute_async_script(BARRIERS)

    def cut_off(self) -> list[str]:
        return self.driver.execute_script(CUT_OFF)

    def broken_images(self) -> list[str]:
        """The alt texts of images that did not load."""
        return self.ask("[...document.images].filter(image => !image.naturalWidth).map(image => image.alt)")

    def screenshot(self, path: Path) -> None:
        """The whole page, from top to bottom."""
        size = self.driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
        path.write_bytes(base64.b64decode(shot["data"]))


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    chromium, chromedriver = (shutil.which(name) for name in ("chromium", "chromedriver"))
    if not chromium or not chromedriver:
        reason = "no browser: apt-get install chromium chromium-driver"
        if os.environ.get("REQUIRE_BROWSER"):
            pytest.fail(reason)
        pytest.skip(reason)

    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(chromedriver))
    driver.set_script_timeout(120)  # axe-core, on a busy machine
    yield Browser(driver)
    driver.quit()
