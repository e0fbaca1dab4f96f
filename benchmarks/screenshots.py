"""The pictures in the docs: Dagster's UI, the HTML report and the service's page in a browser.

    python -m benchmarks.screenshots [--home HOME] [--out docs/pictures] [--browser PATH]

It needs a state folder that `crossmodal run` has filled, and Chromium or Chrome. The UI is served
read-only and without Dagster's daemon, so that nothing in the state folder is started or changed;
the service makes the files that every `crossmodal serve` makes.
"""

import argparse
import io
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import httpx
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from benchmarks.serving_load import users_of
from crossmodal.paths import StatePaths
from crossmodal.settings import Settings, load_settings
from crossmodal.workspace import Workspace
from orchestration.report import ReportNotReadyError, collect_report, write_html

OUT = Path("docs") / "pictures"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER_FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
# Models and feature tables are many and alike: folded, the rest of the graph stays readable.
UNFOLDED_GROUPS = ("sources", "ingestion", "embeddings", "evaluation", "recommendations")
# What Dagster keeps in a browser: the community dialog was seen, the navigation is narrow, and the
# graph runs from top to bottom, which is the more compact way here.
BROWSER_STATE = """
localStorage.setItem("communityNux", "1");
localStorage.setItem("dagster-nav-collapsed", "true");
localStorage.setItem("asset-graph-direction", JSON.stringify("vertical"));
"""
SERVER_START_SECONDS = 120.0
SERVER_STOP_SECONDS = 20.0
PAGE_SECONDS = 60.0
STILL_SECONDS = 6.0
MAX_BYTES = 400_000


class ScreenshotError(RuntimeError):
    """No pictures could be taken; the message says what is missing."""


@dataclass(frozen=True)
class Window:
    """Size of a browser window in CSS pixels, and how many picture pixels each becomes."""

    width: int
    height: int
    scale: float


GRAPH_WINDOW = Window(1500, 1300, 1.6)
ASSET_WINDOW = Window(1500, 860, 1.0)
REPORT_WINDOW = Window(1200, 1400, 1.0)
LISTS_WINDOW = Window(1200, 890, 1.5)
LISTS_HEADING = "Lists, with reasons"
SERVICE_WINDOW = Window(1200, 900, 1.0)
DAGSTER = ("dagster_webserver", "--read-only", "--module-name", "orchestration.definitions")
SERVICE = ("orchestration.cli", "serve")
SEARCHED = "a haunted house at night"


def main() -> int:
    options = parsed()
    settings = load_settings(home=options.home)
    try:
        executable = find_browser(options.browser)
        report = collect_report(settings)
        with tempfile.TemporaryDirectory() as folder, browser(executable) as chromium:
            page = Path(folder) / "report.html"
            write_html(settings, report, page)
            shots = {
                "report": report_picture(chromium, page),
                "recommendation": lists_picture(chromium, page),
            }
            with served(settings, DAGSTER, "/server_info") as address:
                shots["lineage"] = lineage_picture(chromium, address)
                shots["materialization"] = metadata_picture(chromium, address, "media", "posters")
            with served(settings, SERVICE, "/readyz") as address:
                user = users_of(Workspace(settings))[0]
                shots["service"] = service_picture(chromium, address, user)
                shots["search"] = search_picture(chromium, address)
    except (ScreenshotError, ReportNotReadyError) as error:
        print(error, file=sys.stderr)
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    for name, shot in shots.items():
        target = options.out / f"{name}.png"
        target.write_bytes(compact(shot))
        print(f"{target}: {target.stat().st_size / 1000:.0f} kB")
    return 0


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, help="state folder; the settings' own by default")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the pictures")
    parser.add_argument("--browser", type=Path, help="Chromium or Chrome; found on PATH by default")
    return parser.parse_args()


def find_browser(program: Path | None) -> Path:
    """The browser's program.

    Raises:
        ScreenshotError: there is none where it should be.
    """
    names = BROWSERS if program is None else (str(program),)
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        raise ScreenshotError(
            f"No browser is found as {' or '.join(names)}: install Chromium, or name the program "
            "of a Chromium or Chrome with --browser."
        )
    return Path(path)


@contextmanager
def browser(executable: Path) -> Iterator[Browser]:
    """A headless browser that is closed at the end."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=BROWSER_FLAGS)
        try:
            yield chromium
        finally:
            chromium.close()


@contextmanager
def served(settings: Settings, module: Sequence[str], probe: str) -> Iterator[str]:
    """Runs a server on a free port, yields its address once the probe is good, and stops it.

    Raises:
        ScreenshotError: the server ended, or did not answer in time.
    """
    port = free_port()
    command = [sys.executable, "-m", *module, "--port", str(port)]
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(
            command, env=server_environment(settings), stdout=log, stderr=subprocess.STDOUT
        )
        try:
            address = f"http://127.0.0.1:{port}"
            if not answers(f"{address}{probe}", server):
                log.seek(0)
                output = log.read().decode(errors="replace")[-2000:]
                raise ScreenshotError(f"{module[0]} did not start. It said:\n{output}")
            yield address
        finally:
            stop(server)


def server_environment(settings: Settings) -> dict[str, str]:
    """This process' environment, with the state folder and Dagster's own home in it."""
    return {
        **os.environ,
        "CROSSMODAL_HOME": str(settings.home),
        "DAGSTER_HOME": str(StatePaths(settings.home).dagster),
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(url: str, server: subprocess.Popen[bytes]) -> bool:
    """Whether the server answers before it ends or the time is up."""
    deadline = time.monotonic() + SERVER_START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if httpx.get(url, timeout=5).is_success:
                return True
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    return False


def stop(server: subprocess.Popen[bytes]) -> None:
    """Ends the server; it ends its code server itself."""
    server.terminate()
    try:
        server.wait(SERVER_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


@contextmanager
def opened(chromium: Browser, url: str, window: Window) -> Iterator[Page]:
    """One page in a window of its own."""
    context = chromium.new_context(
        viewport={"width": window.width, "height": window.height},
        device_scale_factor=window.scale,
        timezone_id="UTC",
    )
    context.set_default_timeout(PAGE_SECONDS * 1000)
    context.add_init_script(BROWSER_STATE)
    try:
        page = context.new_page()
        page.goto(url)
        yield page
    finally:
        context.close()


def lineage_picture(chromium: Browser, address: str) -> bytes:
    """The graph of all assets, without side panels (PNG)."""
    groups = ",".join(f"global@global:{group}" for group in UNFOLDED_GROUPS)
    url = f"{address}/asset-groups?{urlencode({'expanded': groups})}"
    with opened(chromium, url, GRAPH_WINDOW) as page:
        page.locator("button:has([aria-label=panel_show_right])").click()
        graph = page.locator("svg[class*=svgContainer]").first
        graph.wait_for()
        still(page)
        # Dagster fits the graph to its panel on a double click; the panel has just grown.
        graph.dispatch_event("dblclick")
        page.mouse.move(GRAPH_WINDOW.width / 2, 5)
        return still(page)


def metadata_picture(chromium: Browser, address: str, asset: str, entry: str) -> bytes:
    """An asset's latest materialization with one picture of its metadata opened (PNG)."""
    with opened(chromium, f"{address}/assets/{asset}?view=events", ASSET_WINDOW) as page:
        row = page.locator("tr", has=page.get_by_text(entry, exact=True))
        row.get_by_text("Show Markdown").first.click()
        page.get_by_role("img", name=entry).wait_for()
        page.mouse.move(5, 5)
        return still(page)


def report_picture(chromium: Browser, file: Path) -> bytes:
    """The top of the HTML report (PNG)."""
    with opened(chromium, file.as_uri(), REPORT_WINDOW) as page:
        return still(page)


def lists_picture(chromium: Browser, file: Path) -> bytes:
    """The first users' lists in the HTML report, with posters and reasons (PNG)."""
    with opened(chromium, file.as_uri(), LISTS_WINDOW) as page:
        heading = page.get_by_role("heading", name=LISTS_HEADING)
        heading.evaluate("element => element.scrollIntoView()")
        return still(page)


def service_picture(chromium: Browser, address: str, user: str) -> bytes:
    """A user's list on the service's page (PNG)."""
    with opened(chromium, address, SERVICE_WINDOW) as page:
        page.get_by_label("User").fill(user)
        page.get_by_role("button", name="Show").click()
        expect(page.locator("#shown-user")).to_have_text(user)
        return still(page)


def search_picture(chromium: Browser, address: str) -> bytes:
    """What a search by words finds on the service's page, side by side by modality (PNG)."""
    with opened(chromium, address, SERVICE_WINDOW) as page:
        page.get_by_label("Words").fill(SEARCHED)
        page.keyboard.press("Enter")
        page.locator("#found h3").first.wait_for()
        page.locator("#search-form").evaluate("form => form.scrollIntoView()")
        return still(page)


def still(page: Page) -> bytes:
    """A screenshot once the page has stood still for a while: data comes in after the layout.

    Raises:
        ScreenshotError: it still moves when the time is up.
    """
    deadline = time.monotonic() + PAGE_SECONDS
    shot, since = page.screenshot(), time.monotonic()
    while time.monotonic() - since < STILL_SECONDS:
        if time.monotonic() > deadline:
            raise ScreenshotError(f"{page.url} does not come to rest within {PAGE_SECONDS:.0f} s.")
        page.wait_for_timeout(1000)
        newer = page.screenshot()
        if newer != shot:
            shot, since = newer, time.monotonic()
    return shot


def compact(shot: bytes) -> bytes:
    """The same picture in fewer bytes; above `MAX_BYTES` with 256 colours."""
    picture = Image.open(io.BytesIO(shot)).convert("RGB")
    full = encoded(picture)
    return full if len(full) <= MAX_BYTES else encoded(picture.quantize(256))


def encoded(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return file.getvalue()


if __name__ == "__main__":
    sys.exit(main())
