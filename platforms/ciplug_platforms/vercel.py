"""Vercel: the variables of one project at one environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ciplug_platforms import vercel_options, vercel_redeploy, vercel_rules
from ciplug_platforms.vercel_api import Api
from ciplug_platforms.vercel_apply import Applying
from ciplug_platforms.vercel_held import listed, value_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ciplug.contracts import Connects, Platform
    from ciplug.values import Batch, Deployment, Result, Secret, Variable
    from ciplug_platforms.vercel_held import Listed
    from ciplug_platforms.vercel_options import Options


def create(options: Mapping[str, Any], connect: Connects, wait: Callable[[float], None]) -> Platform:
    """The target that `options` name; ``UsageError`` says all that is wrong with them."""
    chosen = vercel_options.parsed(options)
    kind = Vercel if chosen.target == "development" else Deployed
    return kind(chosen, connect, wait)


class Vercel:
    """One environment of one project, with an entry of its own for each variable.

    Vercel writes on an entry that other environments share only as a whole, so those are split: the others keep theirs.
    """

    def __init__(self, options: Options, connect: Connects, wait: Callable[[float], None]) -> None:
        self._options = options
        self._api = Api(options, connect, wait)
        self._wait = wait
        self._listed: dict[str, Listed] = {}
        self._deleted: set[str] = set()

    @property
    def place(self) -> str:
        """The ids of project and environment."""
        return self._options.place

    @property
    def queue(self) -> str:
        """The project: Vercel refuses a write while another one to the same project goes on."""
        return f"vercel {self._options.project}"

    def read(self) -> Sequence[Variable]:
        """Every variable at our place, by name. Vercel lists what it has deleted for some time: that is left out."""
        here = [found for item in self._api.variables() if (found := listed(item, self._options)) is not None]
        self._listed = {each.variable.id: each for each in here if each.variable.id not in self._deleted}
        # Of two with one name, one is deleted and still listed: the older.
        newest = {each.variable.name: each.variable for each in sorted(self._listed.values(), key=_created)}
        return tuple(newest[name] for name in sorted(newest))

    def read_value(self, variable: Variable) -> Secret | None:
        """The value of one that is not sensitive."""
        if not variable.readable:
            return None
        item = self._api.variable(variable.id)
        return value_of(item) if item.get("decrypted") is True else None

    def problems(self, wanted: Mapping[str, Secret], held: Sequence[Variable]) -> Sequence[str]:
        """Names, public prefixes, sizes and bytes that Vercel or an environment cannot take."""
        return vercel_rules.problems(wanted, held)

    def apply(self, batch: Batch) -> Iterator[Result]:
        """Carry out `batch`, whose `held` is of the last ``read``."""
        return Applying(
            batch,
            api=self._api,
            options=self._options,
            listed=self._listed,
            deleted=self._deleted,
            wait=self._wait,
        ).results()


class Deployed(Vercel):
    """Any environment but ``development``, whose variables no deployment uses."""

    def redeploy(self) -> Iterator[Deployment]:
        """Deploy again what was deployed last, and tell how it goes."""
        return vercel_redeploy.redeploy(self._api, self._options, self._wait)


def _created(listed: Listed) -> float:
    return listed.created
