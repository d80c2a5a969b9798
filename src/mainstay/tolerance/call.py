"""One logical request, from its start to its end, over as many attempts as it takes.

::

    IDLE ──TRY──▶ TRYING ──PAUSE──▶ PAUSED ──TRY──▶ TRYING      TRYING ──TRY, GO_ON──▶ TRYING
      │             │                 │
      ├─WAIT──▶ PAUSED                ├─WAIT──▶ PAUSED
      └─GIVE_UP─────┴─DONE, GIVE_UP───┴─GIVE_UP──▶ ENDED

Whoever drives it does what it orders and tells what happened: `start`, then `settle` after every attempt and
`resume` after every pause, until the order is DONE or GIVE_UP. While nobody can be asked it waits for a while: for a
restart, mostly. It asks the pool for an instance, the breaker
for a permit and the budget for a retry, and gives every place back exactly once.

An attempt that is late may get a *rival* (`hedge`): a second one elsewhere, at the same time. When the rival has its
answer first, it takes the place of the attempt (`overtake`); when the attempt fails, the rival is what goes on; and
when the rival fails (`drop`), the attempt goes on as if there had been none.
"""

from dataclasses import dataclass, field
from math import inf
from typing import Generic

from mainstay.base.dice import Dice
from mainstay.base.outcome import CANCELLED, FAILED, OK, STALE, TIMEOUT, Outcome
from mainstay.redundancy.bond import Bond
from mainstay.redundancy.bound import above, at_least
from mainstay.redundancy.pool import Pool
from mainstay.tolerance.backoff import Backoff, BackoffSpec
from mainstay.tolerance.budget import Budget
from mainstay.tolerance.deadline import Deadline
from mainstay.tolerance.hedge import HedgeSpec, SuspicionSpec
from mainstay.tolerance.order import (
    DONE,
    ENDED,
    GIVE_UP,
    GO_ON,
    IDLE,
    PAUSE,
    PAUSED,
    TRY,
    TRYING,
    WAIT,
    Because,
    Order,
)
from mainstay.tolerance.retry import IDEMPOTENT, UNKNOWN, UNSENT, Proof, RetrySpec, proof
from mainstay.tolerance.target import Rival, T


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSpec:
    """How long one request may take, and how often it is tried."""

    attempt: float = 10.0
    """Seconds for one attempt: far above what an interactive answer takes; three fit into a request."""
    request: float = 30.0
    """Seconds for the request with all its attempts and pauses: what clients and browsers wait at least."""
    retry: RetrySpec | None = field(default_factory=RetrySpec)
    """What is tried again; None and every request has one attempt."""
    wait: float = 2.0
    """Seconds that a request may wait while there is nobody to ask: most services start within them."""
    hedge: HedgeSpec | None = field(default_factory=HedgeSpec)
    """When a second attempt is made beside the first; None: never."""
    suspicion: SuspicionSpec | None = field(default_factory=SuspicionSpec)
    """When silence puts an instance in doubt; None: never."""

    def __post_init__(self) -> None:
        above("attempt", self.attempt, 0)
        at_least("request", self.request, self.attempt)
        at_least("wait", self.wait, 0)


class Policy(Generic[T]):
    """What all calls to one service share: the spec, the pool and the retry budget."""

    __slots__ = ("budget", "dice", "each", "pool", "spec")

    def __init__(self, spec: CallSpec, pool: Pool[T], dice: Dice) -> None:
        self.spec = spec
        self.pool = pool
        self.dice = dice
        self.each = inf
        """Attempts that may be under way at one instance."""
        self.budget = Budget(spec.retry.budget) if spec.retry is not None else None
        """What retries may cost; None when nothing is retried."""

    def configure(self, spec: CallSpec) -> None:
        """Make calls by another spec from now on, those under way included; what retries have cost is kept."""
        self.spec = spec
        if spec.retry is None:
            self.budget = None
        elif self.budget is None:
            self.budget = Budget(spec.retry.budget)
        else:
            self.budget.configure(spec.retry.budget)

    def call(
        self, now: float, *, idempotent: bool, keyed: bool = False, bond: Bond | None = None
    ) -> "Call[T]":
        """Begin one logical request, which pays its share into the budget.

        Args:
            now: The time; the request's deadline counts from here.
            idempotent: Whether the request may be done twice as well as once.
            keyed: Whether it carries an idempotency key that the service is declared to honour.
            bond: What ties it to an instance, if anything does.
        """
        if self.budget is not None:
            self.budget.deposit(now)
        return Call(self, now, idempotent, keyed, bond)


class Call(Generic[T]):
    """One logical request; made by `Policy.call`."""

    __slots__ = (
        "_backoff",
        "_committed_at",
        "_cut",
        "_idempotent",
        "_keyed",
        "_patience",
        "_permit",
        "_policy",
        "_repeatable",
        "_tried",
        "_waits_until",
        "asked_at",
        "attempt",
        "because",
        "bond",
        "deadline",
        "instance",
        "retry_after",
        "rival",
        "sent_at",
        "state",
        "until",
    )

    instance: T
    """Where the attempt is made; there is none before the first TRY."""
    _permit: int
    _cut: bool
    attempt: int
    """The number of the attempt, from 1; 0 before the first."""
    sent_at: float | None
    """When bytes of the request may have reached the instance in the last attempt; None as long as none have."""
    asked_at: float
    """From when on the answer of the last attempt is waited for: it began, or was sent, or all of the request was."""
    until: float
    """When the attempt has to have ended, or the pause is over."""
    because: Because | None
    """Why it was given up, or why an instance's failure was passed on."""
    retry_after: float | None
    """Seconds after which trying again makes sense, where that is known."""

    def __init__(
        self, policy: Policy[T], now: float, idempotent: bool, keyed: bool, bond: Bond | None
    ) -> None:
        self._policy = policy
        self._idempotent = idempotent
        self._keyed = keyed
        self.bond = bond
        """What ties it to an instance, if anything does."""
        self._repeatable = True
        self.sent_at = None
        self.asked_at = now
        self._committed_at: float | None = None
        self._tried: tuple[T, ...] = ()
        self._backoff: Backoff | None = None
        self._patience = inf
        # When it will have waited long enough, from when there was nobody to ask.
        self._waits_until: float | None = None
        self.deadline = Deadline(now + policy.spec.request)
        self.state = IDLE
        self.attempt = 0
        self.until = now
        self.because = None
        self.retry_after = None
        self.rival: Rival[T] | None = None
        """The second attempt beside the present one, if there is one."""

    def shorten(self, now: float, patience: float) -> None:
        """Tell, before it starts, that whoever asks waits for so many seconds only; longer means nothing."""
        if self.state is not IDLE:
            raise self._misused("shorten")
        self._patience = patience
        self.extend(now)

    def start(self, now: float) -> Order:
        """Begin: TRY, WAIT or GIVE_UP."""
        if self.state is not IDLE:
            raise self._misused("start")
        return TRY if self._begin(now) else self._wait(now)

    def sent(self, now: float) -> None:
        """Tell that bytes of the request may have reached the instance in this attempt."""
        if self.state is not TRYING:
            raise self._misused("sent")
        self.sent_at = self.asked_at = now

    def committed(self, now: float) -> None:
        """Tell that a byte of the answer has reached the client: this attempt is the last."""
        if self.state is not TRYING:
            raise self._misused("committed")
        self._committed_at = now
        instance = self.instance
        # Its answer has begun, and may go on for hours: who tries somebody out has done so.
        if instance.tried_by is self:
            instance.tried_by = None
        if instance.breaker is not None:
            instance.breaker.begun(now, self._permit)
        self.drop(now, CANCELLED)

    def hedge(self, now: float) -> bool:
        """Begin a second attempt beside the present one; not for what may do harm when it runs twice.

        Returns:
            Whether there is a rival now: an instance that was not tried admits it, and it can be afforded.
        """
        retry, budget = self._policy.spec.retry, self._policy.budget
        if self.state is not TRYING:
            raise self._misused("hedge")
        if retry is None or budget is None or self.attempt >= retry.attempts or self.rival is not None:
            return False
        if not self._idempotent or not self._repeatable or self._committed_at is not None:
            return False
        if self.deadline.passed(now) or not budget.affords(now):
            return False
        tried, permit, cut = self._tried, self._permit, self._cut
        instance, until, sent_at, asked_at = self.instance, self.until, self.sent_at, self.asked_at
        self._tried = (*tried, instance)
        if self._begin(now):
            budget.withdraw(now)
            self.rival = Rival(now, self.instance, self._permit, self.until, cut=self._cut)
        self._tried, self._permit, self._cut = tried, permit, cut
        self.instance, self.until, self.sent_at, self.asked_at = instance, until, sent_at, asked_at
        return self.rival is not None

    def overtake(self, now: float) -> None:
        """Tell that the rival has its answer: it is the attempt from now on, and the other proves nothing."""
        if self.rival is None:
            raise self._misused("overtake")
        self._give_back(now, self.instance, self._permit, CANCELLED, self._cut, self.asked_at)
        self._promote()

    def drop(self, now: float, outcome: Outcome) -> None:
        """Tell how the rival has ended; harmless when there is none."""
        rival = self.rival
        if rival is None:
            return
        self.rival = None
        self._tried = (*self._tried, rival.instance)
        self._give_back(now, rival.instance, rival.permit, outcome, rival.cut, rival.asked_at)

    def unfair(self) -> None:
        """Tell that the attempt is given up before its time, so that its silence proves nothing."""
        if self.state is TRYING:
            self._cut = True

    def unrepeatable(self) -> None:
        """Tell that the request's body can no longer be repeated: only what was never sent may be retried."""
        self._repeatable = False

    def extend(self, now: float) -> None:
        """Tell that the client finished a long upload: the deadline, and the attempt's time, count from here."""
        spec = self._policy.spec
        self.deadline = Deadline(now + min(spec.request, self._patience))
        if self.state is TRYING:
            self.asked_at = now
            self._limit(now)

    def settle(
        self, now: float, outcome: Outcome, status: int = 0, retry_after: float | None = None
    ) -> Order:
        """Tell how the attempt ended, and hear what is next.

        Args:
            now: The time.
            outcome: How it ended; a 5xx is `FAILED` and every other complete answer `OK`.
            status: The answer's status code, when it is `FAILED`.
            retry_after: The seconds of its `Retry-After`, if it had one.

        Returns:
            DONE when there is an answer to pass on, TRY or PAUSE when it is tried again, GO_ON when its rival is
            still at it, else GIVE_UP.
        """
        if self.state is not TRYING:
            raise self._misused("settle")
        self._give_back(now, self.instance, self._permit, outcome, self._cut, self.asked_at)
        self.retry_after = retry_after
        if outcome is OK:
            if self.rival is not None:
                self.drop(now, CANCELLED)
            self.state = ENDED
            return DONE
        if outcome is CANCELLED:
            self.drop(now, CANCELLED)
            return self._end(Because.CANCELLED)
        if self.rival is not None:
            if outcome is not FAILED or self._may_pass(status):
                self._promote()
                return GO_ON
            self.drop(now, CANCELLED)
        because = self._next(now, outcome, status)
        if because is None:
            return PAUSE if self.state is PAUSED else TRY
        return self._end(because, DONE if outcome is FAILED else GIVE_UP)

    def resume(self, now: float) -> Order:
        """Go on after a pause, or when there may be somebody to ask: TRY, WAIT or GIVE_UP."""
        if self.state is not PAUSED:
            raise self._misused("resume")
        if self.deadline.passed(now):
            return self._end(Because.DEADLINE if self._waits_until is None else self._missing(now))
        return TRY if self._begin(now) else self._wait(now)

    def refuse(self, now: float) -> Order:
        """Do not wait any longer, whoever waits for what: GIVE_UP."""
        if self.state is not PAUSED:
            raise self._misused("refuse")
        return self._end(self._missing(now))

    def cancel(self, now: float) -> None:
        """Tell that the client went away: proves nothing, and gives the place back. Harmless at the end."""
        if self.state is ENDED:
            return
        self.drop(now, CANCELLED)
        if self.state is TRYING:
            self._give_back(now, self.instance, self._permit, CANCELLED, self._cut, self.asked_at)
        self._end(Because.CANCELLED)

    def _begin(self, now: float, *, careful: bool = True) -> bool:
        """Begin an attempt at an instance that was not tried; say whether there is one that admits it.

        Args:
            now: The time.
            careful: Leave those that are on trial to one request that may be repeated, if there is anybody else.
        """
        pool, each = self._policy.pool, self._policy.each
        passed_over, spared = self._tried, False
        ramping: T | None = None
        while (target := pool.pick(now, passed_over, self.bond)) is not None:
            if target.in_flight >= each:
                passed_over = (*passed_over, target)
                continue
            if (
                target.on_trial
                and careful
                and self._spares(now, target)
                and (passed_over or not self._tied(now))
            ):
                passed_over, spared = (*passed_over, target), True
                continue
            breaker = target.breaker
            permit = breaker.admit(now) if breaker is not None else 0
            if permit is None:
                passed_over = (*passed_over, target)
                if ramping is None and breaker is not None and breaker.spare() is not None:
                    ramping = target
                continue
            self._go_to(now, target, permit)
            return True
        if spared and self._begin(now, careful=False):
            return True
        if ramping is None or ramping.breaker is None:
            return False
        permit = ramping.breaker.spare()
        if permit is None:
            return False
        self._go_to(now, ramping, permit)
        return True

    def _go_to(self, now: float, target: T, permit: int) -> None:
        target.in_flight += 1
        if target.on_trial:
            target.tried_by = self
        self.instance = target
        self._permit = permit
        self.sent_at = None
        self.asked_at = now
        self.attempt += 1
        self.state = TRYING
        self._limit(now)

    def _spares(self, now: float, target: T) -> bool:
        """Tell whether this is not the one to try somebody out: another does, or it may not be repeated, as others may."""
        if target.tried_by is not None:
            return True
        return not self._idempotent and not self._keyed and now < target.on_trial

    def _tied(self, now: float) -> bool:
        """Tell whether it goes to one of its own: what a user has there is worth more than to be careful."""
        return self.bond is not None and self._policy.pool.holds(now, self.bond)

    def _limit(self, now: float) -> None:
        attempt = self._policy.spec.attempt
        self.until = self.deadline.fit(now, attempt)
        self._cut = self.until < now + attempt

    def _give_back(  # noqa: PLR0913, PLR0917 - of each of a call's two attempts
        self, now: float, instance: T, permit: int, outcome: Outcome, cut: bool, asked_at: float
    ) -> None:
        instance.in_flight -= 1
        if instance.tried_by is self:
            instance.tried_by = None
        if outcome is TIMEOUT and cut:
            # It was not given its full time, so its silence proves nothing against it.
            outcome = CANCELLED
        if instance.breaker is not None:
            instance.breaker.settle(now, permit, outcome)
        # Neither a slow upload nor a slow reader is the instance's doing.
        answered_at = now if self._committed_at is None else self._committed_at
        self._policy.pool.observe(now, instance, outcome, answered_at - asked_at)

    def _promote(self) -> None:
        """Have the rival be the attempt; the one that was is over."""
        rival = self.rival
        assert rival is not None
        self._tried = (*self._tried, self.instance)
        self.instance, self._permit, self._cut = rival.instance, rival.permit, rival.cut
        self.sent_at, self.asked_at, self.until = rival.sent_at, rival.asked_at, rival.until
        self.rival = None

    def _may_pass(self, status: int) -> bool:
        """Tell whether another instance might not give the answer of this status."""
        retry = self._policy.spec.retry
        return retry is not None and (status in retry.statuses or status in retry.second)

    def _next(self, now: float, outcome: Outcome, status: int) -> Because | None:
        """Try again or pause; or give why it is over."""
        retry, budget = self._policy.spec.retry, self._policy.budget
        if self._committed_at is not None:
            return Because.COMMITTED
        if retry is None or budget is None:
            return Because.ATTEMPTS
        opinion = outcome is FAILED and status not in retry.statuses
        if opinion and (status not in retry.second or self.attempt > 1):
            return Because.STATUS
        proved = proof(outcome, sent=self.sent_at is not None, idempotent=self._idempotent, keyed=self._keyed)
        if proved is UNKNOWN:
            return Because.UNPROVED
        if proved is not UNSENT and not self._repeatable:
            return Because.UNREPEATABLE
        return self._ask_for_another(now, budget) if opinion else self._try_again(now, outcome, proved)

    def _try_again(self, now: float, outcome: Outcome, proved: Proof) -> Because | None:
        retry, budget = self._policy.spec.retry, self._policy.budget
        assert retry is not None
        assert budget is not None
        # What never arrived cost nobody anything, and a stale connection says nothing of the instance.
        free = proved is UNSENT or (proved is IDEMPOTENT and outcome is STALE)
        because = self._afford(now, retry, budget, free=free)
        return because or self._again(now, outcome, retry, unsent=proved is UNSENT)

    def _ask_for_another(self, now: float, budget: Budget) -> Because | None:
        """Ask one other instance whether it says the same, if there is one and it can be afforded."""
        self._tried = (*self._tried, self.instance)
        if self.deadline.passed(now) or not budget.affords(now) or not self._begin(now):
            return Because.STATUS
        budget.withdraw(now)
        return None

    def _afford(self, now: float, retry: RetrySpec, budget: Budget, *, free: bool) -> Because | None:
        """Take what another attempt costs; or give what is used up."""
        if self.deadline.passed(now):
            return Because.DEADLINE
        if free:
            return None
        if self.attempt >= retry.attempts:
            return Because.ATTEMPTS
        return None if budget.withdraw(now) else Because.BUDGET

    def _again(self, now: float, outcome: Outcome, retry: RetrySpec, *, unsent: bool) -> Because | None:
        """Try one that was not tried, or pause before all are tried again; or give why neither is possible."""
        # Another connection is as good as another instance, and what is tied to this one stays; once, at the start.
        if outcome is STALE and self.bond is not None and self.attempt == 1 and self._begin(now):
            return None
        self._tried = (*self._tried, self.instance)
        if self._begin(now):
            return None
        # Who could not be reached may just be starting, and nobody is harmed by asking again.
        if self.attempt >= retry.attempts and not (unsent and self._may_wait(now)):
            return Because.ATTEMPTS
        self._tried = ()
        # There is nothing wrong with an instance whose idle connection had ended: no need to wait for it.
        if outcome is STALE and self._begin(now):
            return None
        return self._pause(now, outcome, retry.backoff)

    def _pause(self, now: float, outcome: Outcome, spec: BackoffSpec) -> Because | None:
        if self._backoff is None:
            self._backoff = Backoff(spec, self._policy.dice)
        wait = self._backoff.next()
        if outcome is FAILED and self.retry_after is not None:
            if self.retry_after > spec.cap:
                # The client can wait for that better than we can.
                return Because.STATUS
            wait = max(wait, self.retry_after)
        if self.deadline.passed(now + wait):
            return Because.DEADLINE
        self.until = now + wait
        self.state = PAUSED
        return None

    def _wait(self, now: float) -> Order:
        """Wait until there is somebody to ask; or give up."""
        because = self._missing(now)
        if because is not Because.NO_INSTANCE or not self._may_wait(now):
            return self._end(because)
        self._tried = ()
        self.state = PAUSED
        return WAIT

    def _may_wait(self, now: float) -> bool:
        if self._waits_until is None:
            self._waits_until = now + self._policy.spec.wait
        self.until = min(self._waits_until, self.deadline.at)
        return now < self.until

    def _missing(self, now: float) -> Because:
        """Give why nobody can be asked, and note when that may change."""
        usable = self._policy.pool.usable(now)
        if not usable:
            return Because.NO_INSTANCE
        if any(member.in_flight >= self._policy.each for member in usable):
            return Because.FULL
        refusing = [member.breaker for member in usable]
        opening = [now if it is None or it.reopens_at is None else it.reopens_at for it in refusing]
        self.retry_after = max(0.0, min(opening) - now)
        return Because.CIRCUIT_OPEN

    def _end(self, because: Because, order: Order = GIVE_UP) -> Order:
        self.state = ENDED
        self.because = because
        return order

    def _misused(self, what: str) -> RuntimeError:
        return RuntimeError(f"{what} does not belong to a call that is {self.state.value}")
