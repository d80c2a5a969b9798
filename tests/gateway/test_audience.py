"""Whose time was up and whose was down, with real connections."""

from dataclasses import replace

import pytest

from mainstay.gateway.table import UsersSettings

SECRET = "00112233445566778899aabbccddeeff"
FAILS = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"


def active(rig):
    """Give how many users are known, and how many of them think that it is down."""
    users = rig.route.audience.users
    return len(users), users._downs


@pytest.mark.parametrize(
    ("settings", "one", "other", "nobody"),
    [
        (UsersSettings(by="header", name="x-user", secret=SECRET), "X-User: 1", "x-user: 2", "X-Users: 1"),
        (
            UsersSettings(by="cookie", name="sid", secret=SECRET),
            "Cookie: a=b; sid=1",
            "Cookie: sid=2",
            "A: b",
        ),
    ],
)
async def test_users_are_told_apart_by_what_the_system_file_names(rig, settings, one, other, nobody):
    await rig.up(1, users=settings)

    for line in (one, other, nobody, one):
        await rig.ask(rig.get("/", line))

    assert active(rig) == (2, 0)
    # Nobody can tell from what is kept who they are.
    assert all(len(key) == 8 for key in rig.route.audience.users._known)


async def test_of_one_address_all_are_one_user_whose_service_is_down_from_when_it_fails(rig):
    origin = await rig.up(1, users=UsersSettings(by="client", secret=SECRET))
    await rig.ask(rig.get("/"))
    assert active(rig) == (1, 0)

    origin.answer = lambda request: FAILS
    await rig.ask(rig.get("/"))

    assert active(rig) == (1, 1)
    counted = rig.route.counted()
    assert counted["user_up"] >= 0
    assert counted["user_down"] >= 0


async def test_nobody_is_told_apart_unless_that_is_asked_for_and_sums_never_fall(rig):
    await rig.up(1)
    assert rig.route.audience is None
    rig.settings = replace(rig.settings, users=UsersSettings(by="client", secret=SECRET))
    rig.apply()
    users = rig.route.audience.users
    users.up, users.down = 12.5, 3.25

    rig.settings = replace(rig.settings, users=None)
    rig.apply()

    counted = rig.route.counted()
    assert (counted["user_up"], counted["user_down"]) == (12500, 3250)
    assert rig.route.audience is None
