"""Every page in light, dark and on a phone: axe-core finds nothing against WCAG A and AA, nothing overflows, the keyboard suffices."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
PAGES = {
    "/": "Today", "/queue": "Queue & calendar", "/growth": "Growth", "/learning": "Learning", "/experiments": "Experiments",
    "/spend": "Spend", "/alerts": "Alerts & ticks", "/settings": "Settings",
}  # fmt: skip
LOOKS = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True},
}
_RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}


def violations(page) -> list[str]:
    found = Axe().run(page, options=_RULES).response["violations"]
    return [f"{each['id']}: {node['html'][:160]}" for each in found for node in each["nodes"]]


@pytest.mark.parametrize(
    "look", [pytest.param(look, marks=[] if look == "dark" else pytest.mark.slow) for look in LOOKS]
)
def test_every_page(look: str, sit_down) -> None:
    desk = sit_down(**LOOKS[look])
    post = desk.served.world.posted[-20]
    wrong = {}
    for path, title in {**PAGES, f"/post/{post}": "Post"}.items():
        desk.open(path, title)
        dark = desk.page.evaluate("document.body.classList.contains('body--dark')")
        assert dark == (look == "dark")
        width = desk.page.evaluate("document.documentElement.scrollWidth")
        found = violations(desk.page)
        if width > desk.page.viewport_size["width"]:
            found.append(f"the page is {width} px wide")
        desk.picture(f"{look}-{title.split()[0].lower()}")
        if found:
            wrong[title] = found
    assert wrong == {}


@pytest.mark.parametrize("look", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_the_dialogs_and_the_sign_in(look: str, sit_down) -> None:
    desk = sit_down(**LOOKS[look])
    desk.open("/queue", "Queue & calendar")
    waiting = desk.served.world.queued[-1]
    for action in ("edit", "move", "cancel"):
        desk.row(waiting, action).click()
        expect(desk.dialog()).to_be_visible()
        assert violations(desk.page) == [], action
        desk.page.keyboard.press("Escape")
        expect(desk.dialog()).to_have_count(0)
    desk.page.get_by_role("button", name="Sign out").click()
    expect(desk.page.get_by_role("heading", name="Sign in to xbot")).to_be_visible()
    assert violations(desk.page) == []
    desk.picture(f"{look}-sign-in")


def test_the_keyboard_alone_stops_and_resumes(desk) -> None:
    desk.open("/", "Today")
    desk.page.keyboard.press("Tab")
    expect(desk.page.locator(".skip")).to_be_focused()
    desk.page.get_by_role("button", name="Stop …").focus()
    desk.page.keyboard.press("Enter")
    dialog = desk.dialog()
    expect(dialog).to_be_visible()
    assert desk.page.evaluate("document.activeElement.closest('[role=dialog]') !== null"), "the focus is in the dialog"
    dialog.get_by_role("button", name="Stop LLM").focus()
    desk.page.keyboard.press("Enter")
    desk.said("Stopped: llm.")
    desk.page.get_by_role("button", name="Resume …").focus()
    desk.page.keyboard.press("Space")
    desk.dialog().get_by_role("button", name="Resume LLM").focus()
    desk.page.keyboard.press("Enter")
    desk.said("Resumed: llm.")


def test_light_and_dark_are_a_choice_that_stays(desk) -> None:
    desk.open("/", "Today")
    desk.page.get_by_role("button", name="Light / dark").click()
    expect(desk.page.locator("body.body--dark")).to_have_count(1)
    desk.open("/growth", "Growth")
    expect(desk.page.locator("body.body--dark")).to_have_count(1)
