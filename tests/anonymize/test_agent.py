"""A user agent becomes a browser, a system and a class of device, or is known for a machine's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anonymize.agent import AUTOMATION, BOT, SDK, Agent, Agents, of_headers

WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15"
AGENTS = Agents()


@pytest.mark.parametrize(
    ("user_agent", "agent"),
    [
        pytest.param(
            f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/142.0.0.0 Safari/537.36",
            Agent("Chrome", "142", "Windows", "10", "Desktop"),
            id="Chrome on Windows",
        ),
        pytest.param(
            f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/142.0.0.0 "
            "Safari/537.36 Edg/142.0.0.0",
            Agent("Edge", "142", "Windows", "10", "Desktop"),
            id="Edge",
        ),
        pytest.param(
            "Mozilla/5.0 (Windows NT 6.1; Trident/7.0; rv:11.0) like Gecko",
            Agent("Internet Explorer", "11", "Windows", "7", "Desktop"),
            id="Internet Explorer",
        ),
        pytest.param(
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 "
            "(KHTML, like Gecko) Version/18.1 Safari/605.1.15",
            Agent("Safari", "18", "Mac", "10", "Desktop"),
            id="Safari on Mac",
        ),
        pytest.param(
            f"{IPHONE} (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
            Agent("Safari", "18", "iOS", "18", "Mobile"),
            id="Safari on iPhone",
        ),
        pytest.param(
            f"{IPHONE} (KHTML, like Gecko) FxiOS/133.0 Mobile/15E148 Safari/605.1.15",
            Agent("Firefox", "133", "iOS", "18", "Mobile"),
            id="Firefox on iPhone is Firefox",
        ),
        pytest.param(
            "Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 "
            "(KHTML, like Gecko) CriOS/120.0.6099.119 Mobile/15E148 Safari/604.1",
            Agent("Chrome", "120", "iOS", "16", "Tablet"),
            id="Chrome on iPad",
        ),
        pytest.param(
            f"Mozilla/5.0 (Linux; Android 10; K) {WEBKIT} Chrome/142.0.0.0 Mobile Safari/537.36",
            Agent("Chrome", "142", "Android", "10", "Mobile"),
            id="a reduced user agent on Android",
        ),
        pytest.param(
            f"Mozilla/5.0 (Linux; Android 10; K) {WEBKIT} Chrome/142.0.0.0 Safari/537.36",
            Agent("Chrome", "142", "Android", "10", "Tablet"),
            id="Android without Mobile",
        ),
        pytest.param(
            "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
            Agent("Firefox", "145", "GNU/Linux", "", "Desktop"),
            id="distributions are one system",
        ),
        pytest.param(
            f"Mozilla/5.0 (X11; FreeBSD amd64) {WEBKIT} Chrome/30.0.1599.101 Safari/537.36",
            Agent("Chrome", "30", "FreeBSD", "", "Desktop"),
            id="FreeBSD",
        ),
        pytest.param(
            f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {WEBKIT} Chrome/142.0.0.0 Safari/537.36",
            Agent("Chrome", "142", "Chrome OS", "14541", "Desktop"),
            id="Chrome OS",
        ),
        pytest.param(
            f"Mozilla/5.0 (Web0S; Linux/SmartTV) {WEBKIT} Chrome/94.0.4606.128 "
            "Safari/537.36 WebAppManager",
            Agent("Chrome", "94", "webOS", "", "TV"),
            id="a television set that looks like a bot",
        ),
        pytest.param(
            "Mozilla/5.0 (PlayStation 5 3.20) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Version/13.0 Safari/605.1.15",
            Agent("Safari", "13", "", "", "TV"),
            id="a console",
        ),
        pytest.param(
            "Mozilla/5.0 Gecko/20100115 Firefox/3.6",
            Agent("Firefox", "3", "", "", "Other"),
            id="nothing known of the device",
        ),
    ],
)
def test_a_browser_is_told_by_family_system_and_device(user_agent: str, agent: Agent) -> None:
    assert AGENTS.classify(user_agent, sdk=False) == agent


@pytest.mark.parametrize(
    "user_agent",
    [
        "",
        " ",
        "-",
        "Mozilla/5.0",
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        f"{IPHONE} (KHTML, like Gecko) Version/6.0 Mobile/10A5376e Safari/8536.25 (compatible; "
        "Googlebot/2.1; +http://www.google.com/bot.html)",
        f"Mozilla/5.0 {WEBKIT}; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
        "Mozilla/5.0 (compatible; Yahoo! Slurp; http://help.yahoo.com/help/us/ysearch/slurp)",
        "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
        "UniversalFeedParser/4.2-pre-314-svn +http://feedparser.org/",
        "facebookexternalhit/1.1",
        "curl/8.5.0",
        "Wget/1.21",
        "python-requests/2.34.2",
        "Go-http-client/2.0",
        "Java/1.8.0_65",
        "Pingdom.com_bot_version_1.4",
    ],
)
def test_a_machine_is_known_for_one(user_agent: str) -> None:
    assert AGENTS.classify(user_agent, sdk=False) == BOT


@pytest.mark.parametrize(
    "user_agent",
    [
        f"Mozilla/5.0 (X11; Linux x86_64) {WEBKIT} HeadlessChrome/120.0.0.0 Safari/537.36",
        "Mozilla/5.0 (Unknown; Linux x86_64) AppleWebKit/538.1 (KHTML, like Gecko) "
        "PhantomJS/2.1.1 Safari/538.1",
        f"Mozilla/5.0 (X11; Linux x86_64) {WEBKIT} Cypress/13.6.0 Chrome/114.0 Safari/537.36",
        f"Mozilla/5.0 (Linux; Android 11; moto g power (2022)) {WEBKIT} Chrome/119.0.0.0 Mobile "
        "Safari/537.36 Chrome-Lighthouse",
    ],
)
def test_a_browser_that_a_program_drives_is_automation(user_agent: str) -> None:
    assert AGENTS.classify(user_agent, sdk=False) == AUTOMATION


@pytest.mark.parametrize(
    ("purpose", "brands", "kind"),
    [
        ("prefetch", "", "prefetch"),
        ("prefetch;prerender", "", "prefetch"),
        ("prefetch;anonymous-client-ip", "", "prefetch"),
        ("Prefetch", "", "prefetch"),
        ("prefetch,prefetch", "", "prefetch"),
        ("preview", "", "prefetch"),
        ("", '"HeadlessChrome";v="124", "Chromium";v="124", "Not-A.Brand";v="99"', "automation"),
        ("prefetch", '"HeadlessChrome";v="124"', "prefetch"),
        ("", "", ""),
        ("", '"Google Chrome";v="142", "Chromium";v="142", "Not_A Brand";v="99"', ""),
        ("prefetching-is-fun", "", ""),
        ("navigate", "", ""),
    ],
)
def test_headers_tell_of_machines_too(purpose: str, brands: str, kind: str) -> None:
    assert of_headers(purpose, brands) == kind


@pytest.mark.parametrize(
    "user_agent",
    ["analytics-kotlin/1.19.1", "analytics-python/2.4.0", "okhttp/4.12.0", "Dart/3.5", ""],
)
def test_an_sdk_is_a_client_and_no_bot(user_agent: str) -> None:
    assert AGENTS.classify(user_agent, sdk=True) == SDK == Agent("", "", "", "", "", "")


def test_a_phone_called_cubot_is_no_bot() -> None:
    phone = f"Mozilla/5.0 (Linux; Android 9; CUBOT X19) {WEBKIT} Chrome/88.0 Mobile Safari/537.36"
    assert AGENTS.classify(phone, sdk=False).bot == ""


def test_only_the_first_512_characters_count() -> None:
    browser = f"Mozilla/5.0 (X11; Linux x86_64) {WEBKIT} Chrome/142.0.0.0 Safari/537.36"
    assert AGENTS.classify(f"{browser:<512}Googlebot", sdk=False).bot == ""


def test_the_memory_of_agents_is_bounded() -> None:
    agents = Agents(size=2)
    for number in range(5):
        agents.classify(f"Mozilla/5.0 (X11; Linux x86_64) Firefox/{number}.0", sdk=False)
    assert agents._agent.cache_info().currsize == 2


@given(st.text() | st.text().map("Mozilla/5.0 (Linux; Android 10; {})".format))
def test_no_text_makes_it_raise_or_tell_more_than_short_words(text: str) -> None:
    agent = AGENTS.classify(text, sdk=False)
    assert agent.device in ("", "Desktop", "Mobile", "Tablet", "TV", "Other")
    assert agent.bot in ("", "automation", "bot")
    assert all(len(part) <= 32 for part in agent)
