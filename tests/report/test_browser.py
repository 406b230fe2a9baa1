"""The page in a real browser: Chromium, driven by Playwright. Without it these are skipped, but not in CI."""

from __future__ import annotations

import os
import re
import shutil
from urllib.parse import quote

import pytest

from prunebench.analysis.results import load_results
from prunebench.report.files import write_report
from tests.report.handmade import HOSTILE, METHODS, records, row, write_run

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None and "CI" not in os.environ, reason="chromium is not installed: apt-get install chromium"
)
_QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    assert CHROMIUM is not None, "in CI the pages have to be tried: install chromium"
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=_QUIET)
        yield found
        found.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A page with charts, and one without of hostile names; as addresses."""
    folder = tmp_path_factory.mktemp("pages")
    whole = records({**METHODS, "snip(rounds=100)": 61.0})
    write_run(folder / "usual", whole, unfinished=[row("erk", 0.1, n) for n in range(3)])
    write_run(folder / "hostile", records({**METHODS, **dict.fromkeys(HOSTILE, 50.0)}, repetitions=2))
    addresses = {}
    for name in ("usual", "hostile"):
        written = write_report([load_results(folder / name)], folder / f"{name}-out", ["html"])
        addresses[name] = written[0].as_uri()
    return addresses


@pytest.fixture
def opened(browser):
    """Open an address in a context of its own; afterwards nothing was asked of a network and nothing went wrong."""
    contexts = []
    troubles = []

    def open_(address, **settings):
        context = browser.new_context(**{"viewport": DESKTOP, "reduced_motion": "reduce", **settings})
        contexts.append(context)
        page = context.new_page()
        own = address.partition("#")[0]
        page.on("request", lambda request: request.url.partition("#")[0] != own and troubles.append(request.url))
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("dialog", lambda dialog: troubles.append(dialog.message))
        page.goto(address)
        return page

    yield open_
    for context in contexts:
        context.close()
    # An icon that is given as empty data is a request in words only.
    assert [trouble for trouble in troubles if not trouble.startswith("data:")] == []


def column(page, table, number):
    """Texts of a column, from the top, of the rows that are shown."""
    return page.locator(f"{table} tbody tr:visible > :nth-child({number})").all_inner_texts()


BOARD = "#leaderboard-1"


def test_a_click_sorts_by_number_upwards_then_downwards_then_as_it_was(pages, opened):
    page = opened(pages["usual"])
    head = page.locator(f"{BOARD} thead th").nth(1)
    before = column(page, BOARD, 1)
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    means = [float(text.split()[0]) for text in column(page, BOARD, 2) if text != "–"]
    assert means[:-1] == sorted(means[:-1])
    assert len(means) == 6
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    means = [float(text.split()[0]) for text in column(page, BOARD, 2) if text != "–"]
    assert means[:-1] == sorted(means[:-1], reverse=True)
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") is None
    assert column(page, BOARD, 1) == before


def test_rows_with_holes_stand_last_and_those_without_a_number_just_before_either_way(pages, opened):
    page = opened(pages["usual"])
    button = page.locator(f"{BOARD} thead th").nth(1).get_by_role("button")
    for _ in range(2):
        button.click()
        methods = column(page, BOARD, 1)
        assert methods[-1] == "snip", "one of its cells failed"
        assert methods[-2] == "dense", "it has no value at this density"


def test_the_keyboard_sorts_too_and_texts_in_natural_order(pages, opened):
    page = opened(pages["usual"])
    head = page.locator(f"{BOARD} thead th").first
    head.get_by_role("button").focus()
    page.keyboard.press("Enter")
    ascending = column(page, BOARD, 1)
    page.keyboard.press("Space")
    descending = column(page, BOARD, 1)
    assert ascending == [*sorted(set(ascending) - {"snip"}), "snip"]
    assert descending == [*sorted(set(ascending) - {"snip"}, reverse=True), "snip"]
    page.locator(f"{BOARD} thead th").nth(2).get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") is None, "one column at a time"


def test_the_order_of_every_table_is_in_the_address_and_going_back_undoes_it(pages, opened):
    page = opened(pages["usual"])
    orders = {table: column(page, table, 1) for table in (BOARD, "#curves-2")}
    for table in orders:
        page.locator(f"{table} thead th").first.get_by_role("button").click()
    page.locator(f"{BOARD} thead th").first.get_by_role("button").click()
    both = {table: column(page, table, 1) for table in orders}
    assert all(both[table] != orders[table] for table in orders)
    page.reload()
    assert {table: column(page, table, 1) for table in orders} == both
    assert page.locator(f"{BOARD} thead th").first.get_attribute("aria-sort") == "descending"
    assert page.locator("#curves-2 thead th").first.get_attribute("aria-sort") == "ascending"
    page.go_back()
    assert page.locator(f"{BOARD} thead th[aria-sort=ascending]").count() == 1
    assert column(page, "#curves-2", 1) == both["#curves-2"]
    page.go_back()
    assert page.locator(f"{BOARD} thead th[aria-sort=ascending]").count() == 1
    assert column(page, "#curves-2", 1) == orders["#curves-2"]
    page.go_back()
    assert page.locator("th[aria-sort]").count() == 0
    assert column(page, BOARD, 1) == orders[BOARD]


@pytest.mark.parametrize(
    "sort", ["|", "nonsense", "leaderboard-1:99a", "leaderboard-1:a", "leaderboard-1:1x", ":1a", "x:1a"]
)
def test_an_order_that_is_none_changes_nothing(pages, opened, sort):
    before = column(opened(pages["usual"]), BOARD, 1)
    page = opened(f"{pages['usual']}#sort={quote(sort)}")
    assert column(page, BOARD, 1) == before
    assert page.locator("th[aria-sort]").count() == 0
    page.locator(f"{BOARD} thead th").first.get_by_role("button").click()
    assert page.locator("th[aria-sort=ascending]").count() == 1


def test_an_address_that_is_none_stops_nothing(pages, opened):
    page = opened(f"{pages['usual']}#%")
    assert page.locator("[data-shown]").inner_text() == "8 of 8 methods shown"
    page.get_by_label("Filter methods").fill("snip 100")
    assert page.locator("[data-shown]").inner_text() == "1 of 8 methods shown"


def test_numbers_of_several_digits_sort_as_numbers(pages, opened):
    page = opened(pages["usual"])
    page.locator("#curves-2 thead th", has_text=re.compile("^parameters$")).get_by_role("button").click()
    place = page.locator("#curves-2 thead th").all_inner_texts().index("parameters") + 1
    found = [int(re.sub(r"\D", "", text)) for text in column(page, "#curves-2", place) if text != "–"]
    assert len(set(found)) > 1
    assert found[:-1] == sorted(found[:-1])


def test_negative_numbers_sort_as_numbers(pages, opened):
    page = opened(pages["usual"])
    headers = page.locator("#curves-2 thead th").all_inner_texts()
    page.locator("#curves-2 thead th").nth(headers.index("over dense")).get_by_role("button").click()
    texts = column(page, "#curves-2", headers.index("over dense") + 1)
    found = [float(text.split()[0]) for text in texts if text != "–"]
    assert len(found) > 4
    assert min(found) < -9 < max(found) < 0, "texts would sort otherwise"
    assert found[:-1] == sorted(found[:-1])


def test_the_filter_hides_rows_marks_and_names_and_is_restored_from_the_address(pages, opened):
    page = opened(pages["usual"])
    assert page.locator("[data-shown]").inner_text() == "8 of 8 methods shown"
    page.get_by_label("Filter methods").fill("snip 100")
    assert page.locator("[data-shown]").inner_text() == "1 of 8 methods shown"
    assert column(page, BOARD, 1) == ["snip(rounds=100)"]
    assert page.locator(".methods li:visible").all_inner_texts() == ["snip(rounds=100)"]
    hidden = page.evaluate("new Set([...document.querySelectorAll('svg.chart .off')].map(m => m.dataset.method)).size")
    assert hidden >= 5, "marks of the others are gone from the charts"
    assert page.locator("svg.chart [data-method]:not(.off)").count() > 0
    page.reload()
    assert page.get_by_label("Filter methods").input_value() == "snip 100"
    assert column(page, BOARD, 1) == ["snip(rounds=100)"]
    page.get_by_role("button", name="Show all", exact=True).click()
    assert len(column(page, BOARD, 1)) == 7


def test_lint_is_no_method_and_stays(pages, opened):
    page = opened(f"{pages['usual']}#q=snip")
    assert page.locator("#lint-1 tbody tr:visible").count() == 16


def test_checkboxes_of_kinds_and_data_sets_join_the_address_and_going_back_undoes_them(pages, opened):
    page = opened(pages["usual"])
    page.get_by_role("checkbox", name="control").uncheck()
    assert "dense" not in column(page, BOARD, 1)
    page.get_by_label("digits", exact=True).uncheck()
    assert not page.locator("#leaderboard-2").is_visible()
    assert page.locator(BOARD).is_visible()
    address = page.url
    page.go_back()
    assert page.locator("#leaderboard-2").is_visible()
    assert page.get_by_label("digits", exact=True).is_checked()
    assert not page.get_by_role("checkbox", name="control").is_checked()
    again = opened(address)
    assert not again.get_by_role("checkbox", name="control").is_checked()
    assert not again.locator("#leaderboard-2").is_visible()


def test_a_filter_that_nothing_fits_says_so_and_offers_the_way_out(pages, opened):
    page = opened(f"{pages['usual']}#q=no-such-method")
    note = page.get_by_text("No method fits the filter")
    assert note.is_visible()
    note.get_by_role("button").click()
    assert not note.is_visible()
    assert page.get_by_label("Filter methods").input_value() == ""
    assert len(column(page, BOARD, 1)) == 7


def test_a_link_of_the_contents_leaves_the_filter_alone(pages, opened):
    page = opened(f"{pages['usual']}#q=snip")
    page.get_by_role("link", name="Provenance").click()
    assert "q=snip" in page.url
    assert page.locator("#provenance").evaluate("e => e.getBoundingClientRect().top < innerHeight")
    again = opened(page.url)
    assert len(column(again, BOARD, 1)) == 2
    assert again.evaluate("scrollY") > 0


def test_pointing_at_a_method_lights_it_up_everywhere_and_a_click_keeps_it_so(pages, opened):
    page = opened(pages["usual"])
    line = page.locator(f"{BOARD} tbody tr", has_text="synflow")
    name = page.locator(".methods li", has_text="synflow")
    line.hover()
    assert "lit" in name.get_attribute("class")
    assert page.locator("svg.chart .lit").count() > 2
    assert page.locator("tr.lit").count() >= 4
    assert len(set(page.locator(".lit").evaluate_all("all => all.map(e => e.dataset.method)"))) == 1
    page.locator("h1").hover()
    assert page.locator(".lit").count() == 0
    name.get_by_role("button").click()
    page.locator("h1").hover()
    assert page.locator("tr.lit").count() >= 4
    assert name.get_by_role("button").get_attribute("aria-pressed") == "true"
    page.reload()
    assert page.locator("tr.lit").count() >= 4
    page.keyboard.press("Escape")
    assert page.locator(".lit").count() == 0


def test_focus_lights_up_as_pointing_does(pages, opened):
    page = opened(pages["usual"])
    page.locator(".methods li", has_text="imp").get_by_role("button").focus()
    assert page.locator("tr.lit").count() >= 4


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_system_chooses_the_theme_and_the_button_another(pages, opened, scheme):
    page = opened(pages["usual"], color_scheme=scheme)

    def lightness():
        colour = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        return sum(map(int, re.findall(r"\d+", colour)[:3])) / 3

    assert (lightness() > 128) == (scheme == "light")
    button = page.get_by_role("button", name="Theme")
    seen = []
    for _ in range(3):
        button.click()
        seen.append((button.inner_text(), lightness() > 128))
    assert seen == [("Theme: light", True), ("Theme: dark", False), ("Theme: as the system", scheme == "light")]


@pytest.mark.parametrize(
    ("scheme", "viewport"),
    [(scheme, viewport) for scheme in ("light", "dark") for viewport in (DESKTOP, PHONE)],
    ids=["light-desktop", "light-phone", "dark-desktop", "dark-phone"],
)
def test_axe_finds_no_serious_fault(pages, opened, scheme, viewport):
    from axe_playwright_python.sync_playwright import Axe

    page = opened(pages["usual"], color_scheme=scheme, viewport=viewport)
    page.evaluate("document.querySelectorAll('details').forEach(box => box.open = true)")
    page.evaluate("document.querySelectorAll('section').forEach(part => part.style.contentVisibility = 'visible')")
    found = Axe().run(page).response
    faults = [
        (fault["id"], fault["nodes"][0]["html"], fault["nodes"][0]["failureSummary"])
        for fault in found["violations"]
        if fault["impact"] in {"serious", "critical"}
    ]
    assert faults == []
    assert len(found["passes"]) > 10


def test_the_side_is_folded_on_a_phone_and_open_beside_the_tables(pages, opened):
    page = opened(pages["usual"], viewport=PHONE)
    assert not page.get_by_label("Filter methods").is_visible()
    page.locator(".side summary").click()
    assert page.get_by_label("Filter methods").is_visible()
    page.set_viewport_size(DESKTOP)
    assert page.get_by_label("Filter methods").is_visible()
    page.set_viewport_size(PHONE)
    page.wait_for_function("!document.querySelector('.side > details').open")
    page.set_viewport_size(DESKTOP)
    page.wait_for_function("document.querySelector('.side > details').open")


@pytest.mark.parametrize("name", ["usual", "hostile"])
def test_nothing_is_wider_than_a_phone(pages, opened, name):
    page = opened(pages[name], viewport=PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


def test_names_of_others_are_shown_and_not_run(pages, opened):
    page = opened(pages["hostile"])
    assert page.title() == "tradeoff · quick – prunebench"
    assert page.locator("body img, body script:not(:last-child)").count() == 0
    shown = column(page, BOARD, 1)
    assert HOSTILE[0] in shown
    assert HOSTILE[1] in shown
    assert 'two lines | and "a pipe"' in shown
    page.get_by_label("Filter methods").fill("<script>")
    assert column(page, BOARD, 1) == [HOSTILE[0]]


def test_without_script_everything_can_be_read_and_nothing_pretends_to_work(pages, opened):
    page = opened(pages["usual"], java_script_enabled=False)
    assert len(column(page, BOARD, 1)) == 7
    assert page.locator("svg.chart:not(.swatch)").count() > 0
    assert page.locator("button:visible, input:visible").count() == 0
    assert page.locator(".methods li:visible").count() == 8


def test_paper_has_no_controls_and_nothing_folded(pages, opened):
    page = opened(pages["usual"], color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.locator("button:visible, input:visible").count() <= page.locator("thead button:visible").count()
    assert not page.locator(".side").is_visible()
    for paper in ("html", "svg.chart:not(.swatch)", "table td"):
        colour = page.locator(paper).first.evaluate("e => getComputedStyle(e).backgroundColor")
        assert colour == "rgb(255, 255, 255)"
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() > 0
