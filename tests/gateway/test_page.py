import json

import pytest

from mainstay.gateway.http import page


@pytest.mark.parametrize("reason", page.REASONS)
@pytest.mark.parametrize("html", [False, True])
def test_every_reason_is_a_whole_answer(reason, html):
    said = page.answer(reason, html=html, close=True, retry_after=0.2, date=b"Date: now")

    head, _, body = said.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert first.startswith(f"HTTP/1.1 {page.REASONS[reason][0]} ")
    assert int(headers["Content-Length"]) == len(body)
    assert headers["Connection"] == "close"
    assert headers["Date"] == "now"
    assert headers["Mainstay-Reason"] == reason
    if not html:
        assert json.loads(body)["error"] == reason


@pytest.mark.parametrize("reason", page.REASONS)
def test_what_means_later_says_when_and_nothing_else_does(reason):
    plain, known = page.answer(reason), page.answer(reason, retry_after=12.1)

    later = page.REASONS[reason][0] in (429, 503) or reason == "key_in_use"
    assert (b"\r\nRetry-After: 1\r\n" in plain) is later
    assert (b"\r\nRetry-After: 13\r\n" in known) is later
    assert later or b"Retry-After" not in plain + known


def test_head_is_answered_without_the_body():
    assert page.answer("timeout", head=True).endswith(b"\r\n\r\n")
