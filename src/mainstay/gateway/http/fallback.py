"""HOT. What a request gets in place of our own answer when its service could not even be asked: another service, or a page.

Only where nothing has been carried out. Another service's own fallback is not followed, so that nothing goes in a circle.
"""

from typing import TYPE_CHECKING

from mainstay.gateway.http.exchange import Exchange
from mainstay.gateway.http.page import FALLBACK

if TYPE_CHECKING:
    from mainstay.gateway.http.response import Response


class Instead(Exchange):
    """One request, asked of the service that stands in for its own."""

    __slots__ = ("_line",)

    def __init__(self, former: Exchange, now: float) -> None:
        """Take over a request that has ended elsewhere; the client's `route` is the one that stands in.

        Args:
            former: What was tried before; it is done, or is about to be.
            now: When.
        """
        super().__init__(former.client, former.request, now)
        self._line = FALLBACK + self.route.name.encode()
        self.trace, self.recording = former.trace, former.recording
        former.recording = None
        self.call.shorten(now, max(0.0, former.call.deadline.at - now))
        if not former.request.whole:
            self.call.unrepeatable()
        if former.call.attempt:
            self.request.expects = False  # the client has been told to go on

    def _head(self, response: "Response") -> bytes:
        response.lines.append(self._line)
        return super()._head(response)

    def _may_fall_back(self) -> bool:
        return False
