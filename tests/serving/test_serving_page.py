"""The page in a real browser: what a person sees and does."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from benchmarks.screenshots import BROWSER_FLAGS, BROWSERS

pytestmark = pytest.mark.slow
FAKE_MICROPHONE = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip("neither Chromium nor Chrome is installed")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=program, args=[*BROWSER_FLAGS, *FAKE_MICROPHONE]
        )
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser, kept_url: str) -> Iterator[Page]:
    """The page of the module's service, for tests that change no list."""
    with shown_page(browser, kept_url) as shown:
        yield shown


@pytest.fixture
def own_page(browser: Browser, url: str) -> Iterator[Page]:
    """The page of a service of the test's own."""
    with shown_page(browser, url) as shown:
        yield shown


@contextmanager
def shown_page(browser: Browser, url: str, expected: str = "") -> Iterator[Page]:
    """The first list, shown to someone new; what the browser complains of fails the test.

    Args:
        browser: shows it.
        url: of the service.
        expected: part of the complaints that the test itself brings about.
    """
    complaints: list[str] = []
    with browser.new_context(viewport={"width": 390, "height": 844}) as visit:
        shown = visit.new_page()
        shown.on("console", lambda told: complaints.append(told.text))
        shown.on("pageerror", lambda error: complaints.append(str(error)))
        shown.goto(url)
        expect(shown.locator("#list .card")).to_have_count(12)
        yield shown
    assert [told for told in complaints if not expected or expected not in told] == []


def titles(page: Page) -> list[str]:
    return page.locator("#list .card h3").all_text_contents()


def test_a_list_has_pictures_sounds_and_reasons_and_fits_a_phone(page: Page) -> None:
    expect(page.locator("#status")).to_contain_text("answered in")
    expect(page.locator("#note")).to_contain_text("Nothing is known of this user yet")
    expect(page.locator("#list .card").first).to_contain_text("Because of")
    picture = page.locator("#list .card img").first
    picture.scroll_into_view_if_needed()
    expect(picture).to_have_js_property("complete", True)
    assert picture.evaluate("image => image.naturalWidth") > 0
    assert page.locator("#list .card audio").count() > 0
    width = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    assert page.evaluate(width)


def test_versions_stand_below_the_list_and_not_in_the_header(page: Page, kept_url: str) -> None:
    version = page.request.get(f"{kept_url}/readyz").json()["model_version"]
    expect(page.locator("header")).not_to_contain_text(version)
    expect(page.locator("#about-text")).to_be_hidden()
    page.get_by_text("About this list").click()
    expect(page.locator("#about-text")).to_be_visible()
    expect(page.locator("#about-text")).to_contain_text(version)


def test_the_slider_acts_at_once_and_on_the_list_that_is_shown(page: Page) -> None:
    before = titles(page)
    page.get_by_label("User").fill("somebody el")
    page.get_by_label("Differing items").fill("1")
    expect(page.locator("#list .card h3")).not_to_have_text(before)
    assert page.locator("#shown-user").text_content() == "ada"


def test_a_list_made_without_a_stage_is_shown_as_such(page: Page) -> None:
    def fall_back(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "path": "fallback"})

    expect(page.locator("#note")).not_to_contain_text("failed or was late")
    page.route("**/recommendations?*", fall_back)
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#note.warning")).to_contain_text("failed or was late")
    page.unroute("**/recommendations?*")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#note.warning")).to_have_count(0)


def test_a_service_that_cannot_be_reached_is_said_and_old_cards_are_called_old(
    browser: Browser, kept_url: str
) -> None:
    with shown_page(browser, kept_url, expected="Failed to load resource") as page:
        page.get_by_label("Words").fill("a haunted house")
        page.keyboard.press("Enter")
        expect(page.locator("#found h3").first).to_be_visible()
        page.context.set_offline(True)
        page.get_by_role("button", name="Show").click()
        expect(page.locator("#note.warning")).to_contain_text("cannot be reached")
        expect(page.locator("body")).not_to_contain_text("Failed to fetch")
        expect(page.locator("#list-title")).to_contain_text("as it was at")
        expect(page.locator("#list.old .card")).to_have_count(12)
        page.get_by_role("button", name="Find").click()
        expect(page.locator("#search-note.warning")).to_contain_text("cannot be reached")
        expect(page.locator("#found h3")).to_have_count(0)
        page.context.set_offline(False)
        page.get_by_role("button", name="Show").click()
        expect(page.locator("#list-title")).not_to_contain_text("as it was at")
        expect(page.locator("#list.old")).to_have_count(0)


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [(502, "<html>Bad gateway</html>", "answered 502"), (200, "<html>Sign in</html>", "a proxy")],
)
def test_a_page_in_place_of_an_answer_is_said(
    browser: Browser, kept_url: str, status: int, body: str, told: str
) -> None:
    with shown_page(browser, kept_url, expected="Failed to load resource") as page:
        page.route("**/recommendations?*", lambda route: route.fulfill(status=status, body=body))
        page.get_by_role("button", name="Show").click()
        expect(page.locator("#note.warning")).to_contain_text(told)
        expect(page.locator("#list-title")).to_contain_text("as it was at")


def test_a_like_is_of_the_user_whose_list_it_is(own_page: Page) -> None:
    own_page.get_by_label("User").fill("somebody el")
    with own_page.expect_request("**/v1/events") as sent:
        own_page.get_by_role("button", name="Like: ").first.click()
    assert (sent.value.post_data_json or {}).get("user_id") == "ada"
    expect(own_page.locator("#note")).to_contain_text("You liked")
    assert own_page.locator("#shown-user").text_content() == "ada"


def test_liking_and_hiding_change_the_list(own_page: Page) -> None:
    before = titles(own_page)
    own_page.get_by_role("button", name=f"Hide: {before[0]}").first.click()
    expect(own_page.locator("#note")).to_contain_text("is hidden")
    hidden = titles(own_page)
    assert before[0] not in hidden[:1] and hidden[0] == before[1]
    own_page.get_by_role("button", name=f"Like: {hidden[0]}").first.click()
    expect(own_page.locator("#note")).to_contain_text("You liked")
    liked = titles(own_page)
    assert liked != hidden[1:] and len(liked) == 12
    own_page.reload()
    expect(own_page.locator("#list .card")).to_have_count(12)
    assert titles(own_page) == liked


def test_search_and_similar_work_by_keyboard(page: Page) -> None:
    page.get_by_label("Words").focus()
    page.keyboard.type("a haunted house")
    page.keyboard.press("Enter")
    columns = page.locator("#found h3")
    expect(columns.first).to_have_text("By text")
    assert columns.count() > 1
    found = page.locator("#found button").first
    found.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#similar-title")).to_be_focused()
    expect(page.locator("#similar .card")).to_have_count(6)
    expect(page.locator("#similar-title")).to_contain_text(found.text_content() or "?")


def test_a_chosen_picture_and_a_recorded_sound_are_searched_by(page: Page) -> None:
    shown = page.locator("#list .card img").first
    shown.scroll_into_view_if_needed()
    expect(shown).to_have_js_property("complete", True)
    place = shown.get_attribute("src")
    data = page.request.get(f"{page.url.rstrip('/')}{place}").body()
    title = page.locator("#list .card", has=page.locator("img")).first.locator("h3").text_content()
    chosen = {"name": "a picture.png", "mimeType": "image/png", "buffer": data}
    page.get_by_label("Picture", exact=True).set_input_files([chosen])  # type: ignore[list-item]
    expect(page.get_by_alt_text("The picture that is searched by")).to_be_visible()
    page.get_by_role("button", name="Find").click()
    by_picture = page.locator("#found div", has=page.get_by_text("By image"))
    expect(by_picture.locator("li").first).to_have_text(title or "?")
    page.get_by_role("button", name="Without the picture").click()
    page.get_by_role("button", name="Record a sound").click()
    stop = page.get_by_role("button", name="Stop recording")
    expect(stop).to_have_attribute("aria-pressed", "true")
    page.wait_for_timeout(1000)
    stop.click()
    expect(page.get_by_label("The sound that is searched by")).to_be_visible()
    page.get_by_role("button", name="Find").click()
    expect(page.locator("#found h3").filter(has_text="By audio")).to_be_visible()
    page.get_by_role("button", name="Without the sound").click()
    page.get_by_role("button", name="Find").click()
    expect(page.locator("#search-note")).to_contain_text("choose a picture or a sound")


def test_a_dropped_file_is_searched_by_and_a_wrong_one_told_of(page: Page) -> None:
    drop = """(form, [name, type, text]) => {
        const carried = new DataTransfer();
        carried.items.add(new File([text], name, { type }));
        form.dispatchEvent(new DragEvent("drop", { dataTransfer: carried, cancelable: true }));
    }"""
    form = page.locator("#search-form")
    form.evaluate(drop, ["notes.txt", "text/plain", "words"])
    expect(page.locator("#search-note")).to_contain_text("neither a picture nor a sound")
    form.evaluate(drop, ["drawn.svg", "image/svg+xml", "<svg xmlns='http://www.w3.org/2000/svg'/>"])
    expect(page.get_by_alt_text("The picture that is searched by")).to_have_count(1)
    page.get_by_role("button", name="Without the picture").click()
    expect(page.get_by_alt_text("The picture that is searched by")).to_have_count(0)


def test_another_user_and_a_wrong_key_are_told_of(page: Page) -> None:
    page.get_by_label("User").fill("grace/hopper")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#shown-user")).to_have_text("grace/hopper")
    for name in page.locator("input, button").all():
        label = name.get_attribute("aria-label") or name.evaluate(
            "tag => tag.labels?.length ? tag.labels[0].textContent : tag.textContent"
        )
        assert label.strip(), "every control has a name"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_screen_reader_finds_no_serious_obstacle(
    page: Page, scheme: Literal["light", "dark"]
) -> None:
    page.emulate_media(color_scheme=scheme)
    page.get_by_label("Words").fill("a haunted house")
    page.keyboard.press("Enter")
    expect(page.locator("#found h3").first).to_be_visible()

    found = Axe().run(page).response["violations"]

    assert [one["help"] for one in found if one["impact"] in ("serious", "critical")] == []


def test_the_calls_are_described_in_a_browser_without_a_network(page: Page, kept_url: str) -> None:
    page.goto(f"{kept_url}/docs")
    expect(page.locator(".opblock")).not_to_have_count(0)
    page.locator(".opblock-summary-control").first.click()
    expect(page.locator(".opblock-body").first).to_be_visible()
