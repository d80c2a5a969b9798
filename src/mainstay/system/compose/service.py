"""One service of a Compose file, with what matters for redundancy; the rest is known, and left alone."""

import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mainstay.base.errors import SpecError
from mainstay.system.compose.merge import table
from mainstay.system.envfile import read_env_file
from mainstay.system.place import Path as Keys

MOST_REPLICAS = 1000
"""Of one service."""
NAME = re.compile(r"[a-zA-Z0-9._-]{1,100}")
_RESTARTS = ("no", "always", "on-failure", "unless-stopped")
_CODE = frozenset(
    {"src", "app", "lib", "code", "server", "client", "frontend", "backend", "api", "web", "pkg", "cmd"}
)
"""What folders with source are called."""
_CONDITIONS = ("service_started", "service_healthy", "service_completed_successfully")
_PORT = re.compile(
    r"(?:(?:(?:\[[^\]]*\]|[0-9.]+):)?([0-9]{1,5}(?:-[0-9]{1,5})?)?:)?([0-9]{1,5}(?:-[0-9]{1,5})?)(?:/[a-z]+)?"
)

_WORDS = """
annotations attach blkio_config build cap_add cap_drop cgroup cgroup_parent command configs
container_name cpu_count cpu_percent cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares cpus
cpuset credential_spec depends_on deploy develop device_cgroup_rules devices dns dns_opt dns_search
domainname driver_opts entrypoint env_file environment expose extends external_links extra_hosts gpus
group_add healthcheck hostname image init ipc isolation label_file labels links logging mac_address
mem_limit mem_reservation mem_swappiness memswap_limit models network_mode networks oom_kill_disable
oom_score_adj pid pids_limit platform ports post_start pre_stop privileged profiles provider pull_policy
pull_refresh_after read_only restart runtime scale secrets security_opt shm_size stdin_open
stop_grace_period stop_signal storage_opt sysctls tmpfs tty ulimits use_api_socket user userns_mode uts
volumes volumes_from working_dir
"""
KNOWN = frozenset(_WORDS.split())
"""Keys that a service may have."""


@dataclass(slots=True, kw_only=True)
class Service:
    """What a service says."""

    name: str
    image: str = ""
    build: bool = False
    command: str | list[str] = ""
    replicas: int = 1
    waits: dict[str, str] = field(default_factory=dict)
    """Each service of `depends_on` with its condition."""
    optional: set[str] = field(default_factory=set)
    """Those of them with `required: false`."""
    links: list[str] = field(default_factory=list)
    """Those of `links`, and those whose network, processes or volumes it shares."""
    goals: list[str] = field(default_factory=list)
    """What `x-mainstay.needs` adds, because no key of Compose says it."""
    environment: dict[str, str] = field(default_factory=dict)
    filed: dict[str, str] = field(default_factory=dict)
    """What the files of `env_file` add to it."""
    env_files: list[str] = field(default_factory=list)
    ports: list[str] = field(default_factory=list)
    """As in `8080:80`, or `80` where the host's port is any."""
    checked: bool = False
    unchecked: bool = False
    restart: str = ""
    written: list[str] = field(default_factory=list)
    """Named volumes that it may write to."""
    mounted: bool = False
    """Whether the source that it is built from is mounted into it."""
    profiles: list[str] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    """Other names that it is reached by."""


class Reading:
    """Reads services, and gathers what is wrong and what should be known."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.problems: list[tuple[Keys, str]] = []
        self.remarks: list[tuple[Keys, str]] = []
        self._environ = environ

    def service(self, name: str, keys: Mapping[str, object], folder: Path) -> Service:
        """Give what a service says; what is wrong is left out, and told."""
        at: Keys = ("services", name)
        if not NAME.fullmatch(name):
            self._wrong(at, "is no name: allowed are letters, digits, '.', '_' and '-', at most 100")
        for key in keys:
            if key not in KNOWN and not key.startswith("x-"):
                self.remarks.append(((*at, key), "is not known, and left out"))
        found = Service(name=name, image=self._text(keys, "image", at), build=keys.get("build") is not None)
        found.command = self._command(keys, at)
        deploy = self._mapping(keys.get("deploy"), (*at, "deploy"))
        found.replicas = self._replicas(keys, deploy, at)
        self._waits(found, keys.get("depends_on"), (*at, "depends_on"))
        found.links = [each.partition(":")[0] for each in self._texts(keys.get("links"), (*at, "links"))]
        found.links += self._shared(keys, at)
        extra = self._mapping(keys.get("x-mainstay"), (*at, "x-mainstay"))
        found.goals = self._texts(extra.get("needs"), (*at, "x-mainstay", "needs"))
        self._env_files(found, keys, folder, at)
        found.environment = self._environment(keys, at)
        found.ports = list(self._ports(keys.get("ports"), (*at, "ports")))
        self._health(found, keys.get("healthcheck"), (*at, "healthcheck"))
        found.restart = self._restart(keys, deploy, at)
        self._volumes(found, keys.get("volumes"), _context(keys.get("build")), (*at, "volumes"))
        found.profiles = self._texts(keys.get("profiles"), (*at, "profiles"))
        found.names = set(self._names(keys, at))
        return found

    def _wrong(self, keys: Keys, message: str) -> None:
        self.problems.append((keys, message))

    def _mapping(self, value: object, at: Keys) -> dict[str, object]:
        if isinstance(value, dict):
            return value
        if value is not None:
            self._wrong(at, "must be a mapping")
        return {}

    def _list(self, value: object, at: Keys) -> list[object]:
        if isinstance(value, list):
            return value
        if value is not None:
            self._wrong(at, "must be a list")
        return []

    def _texts(self, value: object, at: Keys) -> list[str]:
        found = []
        for place, each in enumerate(self._list([value] if isinstance(value, str) else value, at)):
            if isinstance(each, str):
                found.append(each)
            else:
                self._wrong((*at, place), "must be a text")
        return found

    def _text(self, keys: Mapping[str, object], key: str, at: Keys) -> str:
        value = keys.get(key)
        if value is None or isinstance(value, str):
            return value or ""
        self._wrong((*at, key), "must be a text")
        return ""

    def _words(self, value: object, at: Keys) -> str | list[str]:
        if value is None or isinstance(value, str):
            words: str | list[str] = value or ""
        else:
            words = [str(each) for each in self._list(value, at) if not isinstance(each, (dict, list))]
        if any("\0" in each for each in words):
            self._wrong(at, "must not contain a null character")
            return ""
        return words

    def _command(self, keys: Mapping[str, object], at: Keys) -> str | list[str]:
        """Give entrypoint and command as one; nothing when there are only arguments for what the image runs."""
        first = self._words(keys.get("entrypoint"), (*at, "entrypoint"))
        then = self._words(keys.get("command"), (*at, "command"))
        if not first:
            begin = then if isinstance(then, str) else "".join(then[:1])
            return "" if begin.startswith("-") else then
        if isinstance(first, str) and isinstance(then, str):
            return f"{first} {then}".rstrip()
        return [*_split(first), *_split(then)]

    def _replicas(self, keys: Mapping[str, object], deploy: Mapping[str, object], at: Keys) -> int:
        path: Keys = (*at, "deploy", "replicas") if deploy.get("replicas") is not None else (*at, "scale")
        told = deploy.get("replicas", keys.get("scale"))
        told = keys.get("scale") if told is None else told
        if isinstance(told, str) and told.isascii() and told.isdigit() and len(told) < len("10000"):
            told = int(told)
        if told is None:
            return 1
        if not isinstance(told, int) or isinstance(told, bool) or not 0 <= told <= MOST_REPLICAS:
            self._wrong(path, f"must be a whole number from 0 to {MOST_REPLICAS}")
            return 1
        return told

    def _waits(self, found: Service, value: object, at: Keys) -> None:
        told = table("depends_on", value)
        for name, how in self._mapping(told, at).items():
            said = self._mapping(how, (*at, name))
            condition = said.get("condition", _CONDITIONS[0])
            if not isinstance(condition, str) or condition not in _CONDITIONS:
                self._wrong((*at, name, "condition"), f"must be one of {', '.join(_CONDITIONS)}")
                condition = _CONDITIONS[0]
            found.waits[name] = condition
            if said.get("required") is False:
                found.optional.add(name)

    def _env_files(self, found: Service, keys: Mapping[str, object], folder: Path, at: Keys) -> None:
        told = keys.get("env_file")
        for each in told if isinstance(told, list) else [told] if told is not None else []:
            path = each.get("path") if isinstance(each, dict) else each
            if not isinstance(path, str):
                self._wrong((*at, "env_file"), "must be the path of a file, or a list of them")
                continue
            try:
                found.filed |= read_env_file(folder / path)
                found.env_files.append(path)
            except SpecError as problem:
                self.remarks.append(((*at, "env_file"), f"{problem}; taken without it"))

    def _shared(self, keys: Mapping[str, object], at: Keys) -> Iterator[str]:
        for key in ("network_mode", "ipc", "pid"):
            how, sign, name = self._text(keys, key, at).partition(":")
            if how == "service" and sign:
                yield name
        for each in self._texts(keys.get("volumes_from"), (*at, "volumes_from")):
            if not each.startswith("container:"):
                yield each.partition(":")[0]

    def _environment(self, keys: Mapping[str, object], at: Keys) -> dict[str, str]:
        values: dict[str, str] = {}
        told = table("environment", keys.get("environment"))
        for name, value in self._mapping(told, (*at, "environment")).items():
            if isinstance(value, (dict, list)):
                self._wrong((*at, "environment", name), "must be a text or a number")
            else:
                values[name] = self._environ.get(name, "") if value is None else str(value)
        return values

    def _ports(self, value: object, at: Keys) -> list[str]:
        found = []
        for place, each in enumerate(self._list(value, at)):
            if isinstance(each, dict):
                host, target = each.get("published"), each.get("target")
                found.append(f"{host}:{target}" if host not in (None, "") else f"{target}")
                continue
            match = _PORT.fullmatch(str(each)) if isinstance(each, (str, int)) else None
            if match is None:
                self._wrong((*at, place), "must be a port, as in 8080:80")
            else:
                found.append(f"{match[1]}:{match[2]}" if match[1] else match[2])
        return found

    def _health(self, found: Service, value: object, at: Keys) -> None:
        said = self._mapping(value, at)
        test = said.get("test")
        if test is not None and not isinstance(test, (str, list)):
            self._wrong((*at, "test"), "must be a text or a list")
        disable = said.get("disable")
        if disable is not None and not isinstance(disable, bool):
            self._wrong((*at, "disable"), "must be true or false")
        found.unchecked = disable is True or test in ("NONE", ["NONE"])
        # Without a test the image's own is taken, with other times.
        found.checked = bool(said) and not found.unchecked

    def _restart(self, keys: Mapping[str, object], deploy: Mapping[str, object], at: Keys) -> str:
        policy = self._mapping(deploy.get("restart_policy"), (*at, "deploy", "restart_policy"))
        restart = keys.get("restart")
        if restart is False:  # written without quotes, in a reading where `no` is false
            restart = "no"
        if restart not in (None, "") and str(restart).partition(":")[0] not in _RESTARTS:
            self._wrong((*at, "restart"), "must be no, always, on-failure or unless-stopped")
        condition = policy.get("condition", "any") if "restart_policy" in deploy else ""
        return restart if isinstance(restart, str) and restart else str(condition)

    def _volumes(self, found: Service, value: object, context: str, at: Keys) -> None:
        for place, each in enumerate(self._list(value, at)):
            if isinstance(each, dict):
                source, read_only = each.get("source"), each.get("read_only") is True
                bind = each.get("type") == "bind"
                source = source if isinstance(source, str) else ""
            elif isinstance(each, str):
                source, _, rest = each.partition(":") if ":" in each else ("", "", each)
                read_only = "ro" in rest.rpartition(":")[2].split(",")
                bind = source.startswith((".", "/", "~"))
            else:
                self._wrong((*at, place), "must be a text, as in data:/var/lib/data, or a mapping")
                continue
            if bind:
                found.mounted |= bool(context) and not read_only and _is_source(source, context)
            elif source and not read_only:
                found.written.append(source)

    def _names(self, keys: Mapping[str, object], at: Keys) -> list[str]:
        names = [self._text(keys, key, at) for key in ("container_name", "hostname")]
        networks = table("networks", keys.get("networks"))
        for name, said in self._mapping(networks, (*at, "networks")).items():
            aliases = self._mapping(said, (*at, "networks", name)).get("aliases")
            names += self._texts(aliases, (*at, "networks", name, "aliases"))
        return [name for name in names if name]


def _split(words: str | list[str]) -> list[str]:
    try:
        return shlex.split(words) if isinstance(words, str) else words
    except ValueError:  # a quote that has no end
        return [str(words)]


def _context(build: object) -> str:
    """Give the folder that it is built from, relative to the file; empty: none on this machine."""
    context = build.get("context", ".") if isinstance(build, dict) else build
    return (
        posixpath.normpath(context) if isinstance(context, str) and context and "://" not in context else ""
    )


def _is_source(mounted: str, context: str) -> bool:
    """Tell whether a mounted folder is what is built: all of it, or a folder in it that is called like code.

    Others in it, such as `./data`, may be where it keeps things.
    """
    folder = posixpath.normpath(mounted)
    if folder == context:
        return True
    inside = folder if context == "." else folder.removeprefix(f"{context}/")
    is_within = not folder.startswith(("..", "/", "~")) and (context == "." or inside != folder)
    return is_within and inside.partition("/")[0] in _CODE
