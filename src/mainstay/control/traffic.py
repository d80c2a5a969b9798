"""The traffic of a system: what the gateway's workers are told, and how it follows a change of the system."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mainstay.base.errors import EnvironmentProblem
from mainstay.base.probe import ProbeResult
from mainstay.control.layout import addresses, beside, doors, settings, trace
from mainstay.gateway import remote
from mainstay.gateway.check import check
from mainstay.gateway.crew.crew import Crew
from mainstay.gateway.table import DRAINING, UP, Door, Limits, LogSettings, Row, Table, Trust
from mainstay.gateway.tls.context import to_instances
from mainstay.gateway.tls.keyring import Keyring
from mainstay.redundancy.canary import Score
from mainstay.supervisor.life import Life
from mainstay.system.difference import Difference
from mainstay.system.schema import Service, System


class Traffic:
    """What is routed now; it is the supervisor's `Gate`."""

    def __init__(  # noqa: PLR0913 - what it is made of; all by name
        self,
        system: System,
        *,
        crew: Crew,
        keyring: Keyring,
        secret: str,
        lives: Callable[[], list[Life]],
        log: Callable[[System], LogSettings | None],
        key_store: Callable[[str], Path],
    ) -> None:
        """Route nothing, until `publish` or `table`.

        Args:
            system: What says where requests go.
            crew: The workers.
            keyring: The certificates of the system.
            secret: Hides what cookies say.
            lives: Gives the lives that can have traffic.
            log: Says how requests of a system are written down.
            key_store: Says in which file a service's idempotency keys are kept.
        """
        self.system = system
        self.routed = system
        """Where requests go: while one system takes the place of another, something in between."""
        self.keyring = keyring
        self.crew = crew
        self.version = 0
        """Of the routing table that the workers are to have."""
        self.turn: Turn | None = None
        """The change that is under way."""
        self._secret = secret
        self._lives = lives
        self._log = log
        self._key_store = key_store

    # --- the supervisor asks ---

    def publish(self) -> None:
        """Tell the gateway which lives are in rotation."""
        if self.crew.begun:
            self.crew.publish(self.table())

    def scores(self, service: str) -> dict[tuple[str, int], Score]:
        """Give what workers have counted of each life of a service."""
        return self.crew.tally.scores(service)

    async def drained(self, life: Life, limit: float) -> bool:
        """Wait until no worker has requests under way for a life."""
        if not self.crew.serves(life.service):
            return True
        return await self.crew.drained((life.service, life.instance, life.generation), limit)

    async def probe(self, service: Service, host: str, port: int) -> ProbeResult:
        """Ask an instance once whether it is well."""
        health = service.health
        limit = health.timeout if health is not None else service.timeouts.connect
        try:
            name, trust = service.server_name(), self._trust(service)
            context = to_instances(trust) if name else None
            path, talk = service.health_path(), service.health_talk()
            return await check(
                host, port, path, limit, talk, tls=context, name=name, preamble=service.preamble()
            )
        except EnvironmentProblem as problem:
            return ProbeResult(ok=False, said=str(problem), seconds=0.0)

    # --- the table ---

    def table(self) -> Table:
        """Make the next routing table."""
        self.version += 1
        lives, gateway = self._lives(), self.system.gateway
        served = {name: service for name, service in self.routed.services.items() if service.listen}
        if self.turn is not None:
            # Nobody is sent there any more; it has to be known until all that is in progress there has ended.
            leaving = {life.service for life in lives} - self.routed.services.keys()
            served |= {name: self.turn.change.before.services[name] for name in leaving}
        return Table(
            version=self.version,
            limits=Limits(**gateway.limits.model_dump()),
            workers=gateway.worker_count(),
            trusted=list(gateway.trusted_proxies),
            drain=gateway.drain,
            linger=gateway.linger,
            log=self._log(self.system),
            trace=trace(self.system),
            doors=self._doors(),
            services={
                name: settings(
                    name,
                    service,
                    self._secret,
                    self._trust(service),
                    gateway.zone,
                    key_store=self._key_store(name),
                )
                for name, service in served.items()
            },
            rows=[
                *(_row(life) for life in lives if life.service in served),
                *remote.rows(self.routed),
                *(self.turn.parting if self.turn is not None else ()),
            ],
        )

    def _doors(self) -> dict[str, Door]:
        openings, found = self.routed.openings(), dict[str, Door]()
        for name, door in doors(self.routed, self.keyring).items():
            place = self.crew.sockets.place(openings[name].listener.address)
            # In the middle of a change, one that is to go and one that has come may be at the same place.
            found[place] = beside(found[place], door) if place in found else replace(door, name=name)
        return found

    def _trust(self, service: Service) -> Trust:
        turn = self.turn
        if turn is not None and turn.keyring.knows(service.upstream_tls):
            return turn.keyring.trust(service.upstream_tls)
        return self.keyring.trust(service.upstream_tls)


class Turn:
    """The gateway's part in a change of the system; see `supervisor.life.Turn`."""

    def __init__(self, traffic: Traffic, change: Difference, keyring: Keyring) -> None:
        """Be ready for a change.

        Args:
            traffic: What is changed.
            change: From what to what.
            keyring: The certificates of the system that is to be.
        """
        self.change = change
        self.keyring = keyring
        self.parting: list[Row] = []
        """Addresses that there are no more, as long as something is in progress there."""
        self._traffic = traffic
        self._former = traffic.keyring

    def begin(self) -> None:
        """Bind what is to be listened at."""
        self._traffic.crew.sockets.reserve(addresses(self.change.after))
        self._traffic.turn = self

    def show(self, ready: frozenset[str]) -> None:
        """Route to these new services, beside those that there were."""
        traffic = self._traffic
        traffic.routed = self.change.underway(ready)
        traffic.keyring = self._former.successor(traffic.routed)
        traffic.keyring.open()
        self._listen(traffic.routed)
        traffic.publish()

    def prepare(self) -> None:
        """Listen wherever the new system does."""
        self._listen(self.change.after)

    async def switch(self) -> None:
        """Route as the new system says, and listen nowhere else."""
        traffic, after = self._traffic, self.change.after
        traffic.system = traffic.routed = after
        traffic.keyring = self.keyring
        self.parting = remote.parting(self.change.before, after)
        await traffic.crew.route(traffic.table())
        await traffic.crew.resize(after.gateway.worker_count())
        await self._see_off()

    def end(self) -> None:
        """Take it that all is over: what was is no longer known."""
        self._traffic.turn = None
        self._traffic.publish()

    async def undo(self) -> None:
        """Route and listen as before."""
        traffic = self._traffic
        traffic.routed, traffic.keyring = self.change.before, self._former
        traffic.crew.sockets.release()
        await traffic.crew.route(traffic.table())

    async def _see_off(self) -> None:
        before = self.change.before.services
        for row in self.parting:
            life = (row.service, row.instance, row.generation)
            await self._traffic.crew.drained(life, before[row.service].drain)
        self.parting = []

    def _listen(self, system: System) -> None:
        sockets = self._traffic.crew.sockets
        sockets.listen([sockets.place(address) for address in addresses(system).values()])


def _row(life: Life) -> Row:
    return Row(
        service=life.service,
        instance=life.instance,
        generation=life.generation,
        host=life.host,
        port=life.port,
        zone=life.zone,
        state=DRAINING if life.state == DRAINING else UP,
        path=life.path,
        preamble=life.preamble,
        talk=life.talk,
        server_name=life.server_name,
    )
