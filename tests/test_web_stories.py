"""Stories of people at the studio's page, in a real browser against a real server."""

from __future__ import annotations

import io
import re
import urllib.error
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests import web_kit
from tests.web_kit import Server, Visit, playwright, visiting

browser, modest, server, visit = web_kit.browser, web_kit.modest, web_kit.server, web_kit.visit
expect = playwright.expect


def test_someone_new_clicks_an_example_and_the_bundled_model_draws_it(browser: Any, server: Server) -> None:
    with visiting(browser, server) as visit:
        visit.open("talk", ".example")
        expect(visit.page.get_by_role("heading", name="Say so, and it is drawn.")).to_be_visible()
        visit.page.get_by_role("button", name="Options").click()
        visit.page.get_by_label("Engine").select_option("pocket")
        visit.page.keyboard.press("Escape")
        visit.page.get_by_role("button", name="a sailboat on the sea").click()
        expect(visit.page.locator("#prompt")).to_be_focused()
        visit.page.keyboard.press("Enter")
        visit.drawn(1)
        shown = server.get("/pictures?limit=1")["data"][0]
        assert (shown["engine"], shown["prompt"], shown["width"]) == ("pocket", "a sailboat on the sea", 512)
        assert visit.page.locator("figure.drawn img").evaluate("one => [one.naturalWidth, one.alt]") == [512, "a sailboat on the sea"]
        expect(visit.page.locator(".talk.current")).to_contain_text("a sailboat on the sea")


def test_a_picture_is_changed_in_four_turns(visit: Visit, server: Server) -> None:
    visit.open()
    for count, words in enumerate(("a cat", "give it a hat", "make the hat red", "make it darker"), 1):
        visit.say(words)
        visit.drawn(count)
    rows = server.get(f"/pictures?conversation={visit.talk}&limit=10")["data"][::-1]
    assert [row["prompt"] for row in rows] == ["a cat", "give it a hat", "make the hat red", "make it darker"]
    assert [row["parents"] for row in rows] == [[], *([row["id"]] for row in rows[:3])]


def test_partial_pictures_steps_and_the_time_left_are_shown_on_the_way(visit: Visit) -> None:
    visit.slowly(4)
    visit.open()
    visit.say("a slow picture")
    line = visit.page.locator(".working .row > span").first
    expect(line).to_contain_text(re.compile(r"Step [23] of 4 · about \d+ s left"))
    expect(visit.page.locator(".slot img")).to_have_count(1)
    assert visit.page.locator(".slot.sharp").count() == 0
    visit.drawn(1)


def test_only_what_was_painted_changes_and_the_rest_is_identical(visit: Visit, server: Server) -> None:
    row = server.draw("a house", seed=3)
    visit.open(f"canvas/{row['id']}", ".surface canvas")
    visit.page.keyboard.press("x")
    surface = None
    while surface != (surface := visit.page.locator(".stage > canvas").bounding_box()):  # the canvas grows into its place
        visit.page.wait_for_timeout(300)
    across, down = surface["width"], surface["height"]
    first, last = 64.4 / 256, 127.6 / 256  # within pixels of the picture: on the line between two, the pointer's own rounding decides
    visit.page.mouse.move(surface["x"] + across * first, surface["y"] + down * first)
    visit.page.mouse.down()
    visit.page.mouse.move(surface["x"] + across * last, surface["y"] + down * last, steps=4)
    visit.page.mouse.up()
    expect(visit.page.locator(".job .note").first).to_contain_text("% of the picture is painted")
    visit.page.get_by_label("What shall change?").fill("a window")
    visit.page.get_by_role("button", name="Change it").click()
    visit.page.wait_for_url(lambda url: row["id"] not in url)
    made = server.get(f"/pictures/{visit.talk}")
    assert made["parents"] == [row["id"]] and made["settings"]["mask"] is True
    before, after = server.pixels(row["id"]).astype(int), server.pixels(made["id"]).astype(int)
    inside = np.zeros(before.shape[:2], bool)
    inside[64:128, 64:128] = True
    changed = (before != after).any(-1)
    assert changed[inside].mean() > 0.9
    assert not changed[~inside].any()
    visit.page.get_by_role("button", name="Difference").click()
    expect(visit.page.locator(".compare-bar")).to_contain_text("% of the pixels differ")


def test_the_mask_can_be_undone_redone_and_painted_by_keyboard(visit: Visit, server: Server) -> None:
    visit.open(f"canvas/{server.draw('a tree', seed=1)['id']}", ".surface canvas")
    painted = visit.page.locator(".job .note").first
    visit.page.keyboard.press("b")
    visit.page.locator(".surface").focus()
    for key in ("Space", "ArrowRight", "ArrowRight", "Space"):
        visit.page.keyboard.press(key)
    expect(painted).to_contain_text("is painted")
    visit.page.keyboard.press("Control+z")
    expect(painted).to_contain_text("Nothing is painted")
    visit.page.keyboard.press("Control+y")
    expect(painted).to_contain_text("is painted")


def test_a_reload_in_the_middle_of_drawing_loses_nothing(visit: Visit) -> None:
    visit.slowly(4)
    visit.open()
    visit.say("a picture that takes its time")
    expect(visit.page.locator(".working")).to_contain_text("Step")
    visit.page.reload()
    expect(visit.page.locator(".working")).to_contain_text("Step")
    expect(visit.page.locator(".bubble")).to_contain_text("a picture that takes its time")
    visit.drawn(1)


def test_a_turn_survives_a_killed_server(browser: Any, server: Server, tmp_path: Path) -> None:
    with visiting(browser, server) as visit:
        visit.slowly(8)
        visit.open()
        visit.say("a picture through a crash")
        expect(visit.page.locator(".working")).to_contain_text("Step 2")
        server.kill()
        expect(visit.page.locator(".working")).to_contain_text("The connection was lost")
        server.start()
        visit.drawn(1)
        visit.said[:] = [line for line in visit.said if "ERR_" not in line]  # the browser itself notes that nobody answered


def test_drawing_is_stopped_at_any_moment(visit: Visit, server: Server) -> None:
    visit.slowly(8)
    visit.open()
    visit.say("a picture nobody needs")
    expect(visit.page.locator(".working")).to_contain_text("Step")
    visit.page.get_by_role("button", name="Stop").first.click()
    expect(visit.page.locator(".answer .note")).to_contain_text("Stopped.")
    assert server.get("/jobs?limit=1")["data"][0]["state"] == "cancelled"
    assert server.get(f"/pictures?conversation={visit.talk}")["data"] == []


def test_a_turn_is_drawn_again_an_earlier_one_edited_and_a_conversation_branched(visit: Visit, server: Server) -> None:
    visit.open()
    visit.say("a blue boat")
    visit.drawn(1)
    visit.page.get_by_role("button", name="Try again").click()
    expect(visit.page.locator(".forks")).to_contain_text("2 of 2")
    visit.drawn(1)
    visit.page.get_by_role("button", name="Version before").click()
    expect(visit.page.locator(".forks")).to_contain_text("1 of 2")
    visit.page.locator(".turn").hover()
    visit.page.get_by_role("button", name="Edit and send again").click()
    expect(visit.page.locator("#prompt")).to_have_value("a blue boat")
    visit.say("a green boat")
    expect(visit.page.locator(".forks")).to_contain_text("3 of 3")
    visit.drawn(1)
    expect(visit.page.locator(".bubble")).to_have_text("a green boat")
    first = visit.talk
    visit.page.locator(".turn").hover()
    visit.page.get_by_role("button", name="More", exact=True).first.click()
    visit.page.get_by_role("menuitem", name="New conversation from here").click()
    visit.page.wait_for_url(lambda url: first not in url)
    visit.drawn(1)
    assert len(server.get(f"/conversations/{visit.talk}")["tree"]) == 2


def test_a_turn_is_deleted_with_what_followed_and_at_last_the_conversation(visit: Visit, server: Server) -> None:
    visit.open()
    for count, words in enumerate(("a small tree", "make it taller", "make it autumn"), 1):
        visit.say(words)
        visit.drawn(count)
    talk = visit.talk
    kept, *gone = [row["id"] for row in server.get(f"/pictures?conversation={talk}")["data"]][::-1]

    def delete(nth: int) -> None:
        visit.page.locator(".turn").nth(nth).hover()
        visit.page.locator(".turn").nth(nth).get_by_role("button", name="More", exact=True).click()
        visit.page.get_by_role("menuitem", name="Delete from here").click()
        visit.page.locator("dialog").get_by_role("button", name="Delete").click()

    delete(1)
    expect(visit.page.locator(".turn")).to_have_count(1)
    assert [row["id"] for row in server.get(f"/pictures?conversation={talk}")["data"]] == [kept]
    assert len(server.get(f"/conversations/{talk}")["tree"]) == 2
    for picture in gone:
        with pytest.raises(urllib.error.HTTPError, match="404"):
            server.get(f"/pictures/{picture}")
    visit.say("make it a winter tree")
    visit.drawn(2)
    delete(0)
    expect(visit.page.locator(".example").first).to_be_visible()
    with pytest.raises(urllib.error.HTTPError, match="404"):
        server.get(f"/conversations/{talk}")


def test_conversations_are_searched_renamed_and_deleted(visit: Visit, server: Server) -> None:
    server.draw("a walrus on a bicycle")
    visit.open()
    visit.page.get_by_label("Search conversations").fill("walrus")
    expect(visit.page.locator(".talk")).to_have_count(1)
    visit.page.locator(".talk").hover()
    visit.page.locator(".talk > button").click()
    visit.page.get_by_role("menuitem", name="Rename").click()
    visit.page.get_by_label("Title").fill("Seaside")
    visit.page.get_by_role("button", name="Save").click()
    expect(visit.page.locator(".talk")).to_contain_text("Seaside")
    visit.page.locator(".talk").hover()
    visit.page.locator(".talk > button").click()
    visit.page.get_by_role("menuitem", name="Delete").click()
    visit.page.locator("dialog").get_by_role("button", name="Delete").click()
    expect(visit.page.locator(".talk")).to_have_count(0)
    assert server.get("/pictures?query=walrus")["data"] == []


def test_the_gallery_finds_by_words_and_by_a_picture_and_gives_words_and_seed_again(visit: Visit, server: Server) -> None:
    row = server.draw("an umbrella in the rain", seed=77)
    visit.open("gallery", ".tile")
    visit.page.get_by_role("searchbox", name="Search by words").fill("umbrella")
    expect(visit.page.locator(".tile")).to_have_count(1)
    visit.page.locator(".tile").hover()
    visit.page.get_by_role("button", name="Favourite", exact=True).click()
    visit.page.get_by_role("searchbox").fill("")
    visit.page.get_by_label("Favourites").check()
    expect(visit.page.locator(".tile")).to_have_count(1)
    assert server.get(f"/pictures/{row['id']}")["favourite"] is True
    small = io.BytesIO()
    Image.fromarray(server.pixels(row["id"])).convert("RGB").resize((200, 200)).save(small, "JPEG", quality=70)
    with visit.page.expect_file_chooser() as chooser:
        visit.page.get_by_role("button", name="By a picture").click()
    chooser.value.set_files({"name": "copy.jpg", "mimeType": "image/jpeg", "buffer": small.getvalue()})
    expect(visit.page.locator(".gallery-count")).to_contain_text("look like copy.jpg")
    expect(visit.page.locator(".tile").first).to_contain_text("an umbrella in the rain")
    visit.page.locator(".tile").first.hover()
    visit.page.get_by_role("button", name="Reuse words and seed").first.click()
    expect(visit.page.locator("#prompt")).to_have_value("an umbrella in the rain")
    expect(visit.page.locator(".chips")).to_contain_text("seed 77")


def test_a_blind_vote_moves_the_standings(visit: Visit, server: Server) -> None:
    visit.open("arena", "form")
    visit.page.get_by_label("Engine").nth(0).select_option("fake")
    visit.page.get_by_label("Engine").nth(1).select_option("fake")
    visit.page.get_by_label("Steps").nth(1).fill("7")
    visit.page.get_by_role("textbox", name="Words").fill("a kite")
    visit.page.get_by_role("button", name="Draw both").click()
    expect(visit.page.get_by_role("button", name="A is better")).to_be_focused()
    assert "7 steps" not in visit.page.locator(".fight").inner_text()
    visit.page.keyboard.press("b")
    expect(visit.page.locator(".fight")).to_contain_text("You chose B.")
    expect(visit.page.locator(".fight")).to_contain_text("fake, 7 steps")
    expect(visit.page.locator("tbody tr")).to_have_count(2)
    with visit.page.expect_download() as saved:
        visit.page.get_by_role("button", name="Export").click()
    lines = Path(saved.value.path()).read_text().splitlines()
    assert lines[0] == "name,rating,low,high,votes" and len(lines) == 3
    assert server.get("/arena/standings")["votes"] == 1


def test_a_file_is_checked_and_each_finding_stands_for_itself(visit: Visit, server: Server) -> None:
    row = server.draw("a teapot", seed=5)
    visit.open(f"canvas/{row['id']}", ".surface canvas")
    visit.page.get_by_role("button", name="Download").click()
    with visit.page.expect_download() as saved:
        visit.page.get_by_role("menuitem", name="WebP").click()
    data = Path(saved.value.path()).read_bytes()
    assert data[8:12] == b"WEBP"
    visit.open("seal", ".dropzone")
    with visit.page.expect_file_chooser() as chooser:
        visit.page.get_by_role("button", name="Choose a picture").click()
    chooser.value.set_files({"name": "teapot.webp", "mimeType": "image/webp", "buffer": data})
    expect(visit.page.locator(".findings li").first).to_contain_text("Signed here")
    expect(visit.page.locator(".findings")).to_contain_text("Our invisible mark")
    visit.open(f"seal/{row['id']}", ".facts")
    expect(visit.page.locator(".facts")).to_contain_text("5")
    expect(visit.page.locator(".facts")).to_contain_text("fake")
    talk = row["conversation"]
    turn = server.post(f"/conversations/{talk}/turns", {"parts": [{"type": "text", "text": "make it blue"}], "wish": {"action": "edit"}})
    server.done(turn["job"]["id"])
    newest = server.get(f"/pictures?conversation={talk}")["data"][0]["id"]
    visit.open(f"seal/{newest}", ".tree")
    expect(visit.page.locator(".tree li")).to_have_count(1)
    expect(visit.page.locator(".tree")).to_contain_text("a teapot")


def test_someone_without_a_mouse_draws_and_opens_the_picture(visit: Visit) -> None:
    visit.open("talk", ".example")
    press = visit.page.keyboard.press
    visit.page.keyboard.type("a lantern")
    press("Enter")
    visit.drawn(1)
    for _ in range(40):
        press("Shift+Tab")
        if visit.page.evaluate("() => document.activeElement.matches('figure.drawn a')"):
            break
    press("Enter")
    visit.page.locator(".surface canvas").first.wait_for()
    press("Alt+2")
    visit.page.locator(".tile").first.wait_for()
    press("/")
    expect(visit.page.get_by_role("searchbox")).to_be_focused()
    visit.page.keyboard.type("lantern")
    expect(visit.page.locator(".tile")).to_have_count(1)
    visit.page.locator(".tile a").focus()
    press("?")
    expect(visit.page.get_by_role("dialog")).to_contain_text("Keyboard shortcuts")
    press("Escape")
    expect(visit.page.locator("dialog")).to_have_count(0)


def test_the_page_speaks_chinese_and_draws_from_chinese_words(browser: Any, server: Server) -> None:
    with visiting(browser, server, locale="zh-CN") as visit:
        visit.open("talk", ".example")
        expect(visit.page.get_by_role("heading", name="说出来，就画出来。")).to_be_visible()
        visit.page.get_by_role("button", name="海上的一艘帆船").click()
        visit.page.keyboard.press("Enter")
        visit.drawn(1)
        assert server.get("/pictures?limit=1")["data"][0]["prompt"] == "海上的一艘帆船"
        for place, words in (
            ("gallery", "图库"),
            ("arena", "擂台"),
            ("turn", "转看与漫步"),
            ("seal", "一张图片从哪里来？"),
            ("settings", "设置"),
        ):
            visit.open(place, f"main[data-view={place}] h1")
            expect(visit.page.locator("h1").first).to_have_text(words)
        visit.page.get_by_label("语言", exact=True).select_option("en")
        expect(visit.page.locator("h1").first).to_have_text("Settings")


def test_cutting_out_and_recolouring_need_no_engine_and_are_kept_as_edits(visit: Visit, server: Server) -> None:
    row = server.draw("a plate", seed=9, background="opaque", background_color="#ffffff")
    visit.open(f"canvas/{row['id']}", ".surface canvas")
    visit.page.get_by_role("tab", name="Cut out").click()
    visit.page.get_by_role("button", name="Preview").click()
    expect(visit.page.locator(".job")).to_contain_text("becomes transparent")
    visit.page.get_by_role("button", name="Keep it").click()
    visit.page.wait_for_url(lambda url: row["id"] not in url)
    cut = server.get(f"/pictures/{visit.talk}")
    assert cut["parents"] == [row["id"]] and cut["action"] == "edited" and cut["settings"]["tool"] == "cut_out"
    assert server.pixels(cut["id"])[0, 0, 3] == 0
    visit.page.get_by_role("tab", name="Recolour").click()
    visit.page.keyboard.press("i")
    box = visit.page.locator(".stage > canvas").bounding_box()
    visit.page.mouse.click(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.3)
    visit.page.get_by_role("textbox", name="becomes").first.fill("#123456")
    visit.page.keyboard.press("Enter")
    visit.page.get_by_role("button", name="Preview").click()
    seen = visit.page.locator(".stage > canvas").evaluate(
        "one => [...one.getContext('2d').getImageData(one.width * 0.3, one.height * 0.3, 1, 1).data]"
    )
    assert seen == [0x12, 0x34, 0x56, 255]
    expect(visit.page.locator(".strip li")).to_have_count(2)


def test_a_picture_is_copied_and_pasted_into_a_message(browser: Any, server: Server) -> None:
    row = server.draw("a stamp", seed=6)
    with visiting(browser, server, permissions=["clipboard-read", "clipboard-write"]) as visit:
        visit.open(f"canvas/{row['id']}", ".surface canvas")
        visit.page.get_by_role("button", name="More about this picture").click()
        visit.page.get_by_role("menuitem", name="Copy").click()
        expect(visit.page.locator(".toast")).to_contain_text("Copied")
        visit.open("talk/new", ".example")
        visit.page.locator("#prompt").focus()
        visit.page.keyboard.press("Control+v")
        expect(visit.page.locator(".shelf li")).to_have_count(1)
        visit.say("the same on blue paper")
        visit.drawn(1)


def test_the_frame_grows_and_what_was_there_stays(visit: Visit, server: Server) -> None:
    row = server.draw("a wall", seed=2)
    visit.open(f"canvas/{row['id']}", ".surface canvas")
    visit.page.get_by_role("tab", name="Extend").click()
    visit.page.get_by_role("button", name="16:9").click()
    expect(visit.page.locator(".frame")).to_have_count(1)
    visit.page.get_by_role("tab", name="Change").click()
    expect(visit.page.locator(".frame")).to_have_count(0)
    visit.page.get_by_role("tab", name="Extend").click()
    visit.page.get_by_role("spinbutton", name="Right").fill("64")
    visit.page.keyboard.press("Tab")
    visit.page.get_by_role("button", name="Extend it").click()
    visit.page.wait_for_url(lambda url: row["id"] not in url)
    made = server.get(f"/pictures/{visit.talk}")
    assert (made["width"], made["height"]) == (320, 256)
    expect(visit.page.locator(".strip li")).to_have_count(3)


def test_pictures_with_names_go_into_a_message(visit: Visit, server: Server, tmp_path: Path) -> None:
    visit.open()
    files = []
    for name, colour in (("sky", (60, 120, 220)), ("sand", (230, 200, 120))):
        Image.new("RGB", (64, 64), colour).save(tmp_path / f"{name}.png")
        files.append(tmp_path / f"{name}.png")
    with visit.page.expect_file_chooser() as chooser:
        visit.page.get_by_role("button", name="Add pictures").click()
    chooser.value.set_files(files)
    expect(visit.page.locator(".shelf li")).to_have_count(2)
    visit.page.get_by_label("Name of picture 2").fill("beach")
    visit.say("put one above the other")
    visit.drawn(1)
    expect(visit.page.locator(".said-pictures img")).to_have_count(2)
    expect(visit.page.locator(".bubble p")).to_contain_text("picture 2 is “beach”")
    assert len(server.get("/pictures?limit=1")["data"][0]["parents"]) == 2


def test_what_an_engine_cannot_do_is_said_in_words(browser: Any, modest: Server) -> None:
    with visiting(browser, modest) as visit:
        visit.open()
        visit.page.get_by_role("button", name="Options").click()
        visit.page.get_by_label("Engine").select_option("pocket")
        visit.page.keyboard.press("Escape")
        visit.page.get_by_role("button", name="Style", exact=True).click()
        expect(visit.page.locator("dialog")).to_contain_text("Not with pocket")
        assert visit.page.locator("dialog .style").count() >= 50
        assert visit.page.locator("dialog .style:not([aria-disabled])").count() == 5
        visit.page.locator("dialog .style", has_text="line art").click()
        expect(visit.page.locator(".chips")).to_contain_text("line art")
        visit.open("turn", ".empty")
        expect(visit.page.locator(".empty")).to_contain_text("No engine that is ready here can turn things round.")
