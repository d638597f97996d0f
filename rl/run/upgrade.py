"""Configurations of earlier versions: the table of renamed keys, applied to plain data.

docs/reference/config-upgrade.md lists the same table for readers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class RenamedKey:
    """A setting of the component at `where` that has another name now."""

    where: str
    old: str
    new: str

    def apply(self, data: dict[str, Any], component: dict[str, Any], place: str) -> str | None:
        """Rename the key in place; returns the change, or None where there is nothing to rename."""
        if self.old not in component:
            return None
        if self.new in component:
            raise ValueError(f"{place} holds both {self.old} and {self.new}, its new name: leave {self.old} out")
        # In its place, so that the order of a file that a person wrote stays.
        items = [(self.new if key == self.old else key, value) for key, value in component.items()]
        component.clear()
        component.update(items)
        return f"{place}.{self.old} -> {place}.{self.new}"


@dataclass(frozen=True)
class RenamedKind:
    """A member of a union that has another name now."""

    where: str
    old: str
    new: str

    def apply(self, data: dict[str, Any], component: dict[str, Any], place: str) -> str | None:
        """Rename the kind in place; returns the change, or None where it is another kind."""
        if component.get("kind") != self.old:
            return None
        component["kind"] = self.new
        return f"{place}.kind: {self.old} -> {self.new}"


@dataclass(frozen=True)
class Dropped:
    """A setting that repeated the setting `section.key` of the configuration, which alone is left."""

    where: str
    key: str
    section: str
    default: Any  # of the setting that is left

    def apply(self, data: dict[str, Any], component: dict[str, Any], place: str) -> str | None:
        """Remove the key in place; returns the change, or None where the key isn't there."""
        if self.key not in component:
            return None
        section = data.get(self.section)
        left = section.get(self.key, self.default) if isinstance(section, dict) else self.default
        # A component that comes from a path was built already: the setting had no effect.
        if component[self.key] != left and component.get("path") is None:
            raise ValueError(
                f"{place}.{self.key} is {component[self.key]!r} and {self.section}.{self.key} {left!r}, which now "
                f"stands for both: set both to the same, then upgrade"
            )
        del component[self.key]
        return f"{place}.{self.key} is dropped: {self.section}.{self.key} stands for it"


@dataclass(frozen=True)
class RemovedKind:
    """A member of a union that is no longer one; `instead` says what to do."""

    where: str
    old: str
    instead: str

    def apply(self, data: dict[str, Any], component: dict[str, Any], place: str) -> None:
        """Refuse the kind."""
        if component.get("kind") == self.old:
            raise ValueError(f"{place}.kind {self.old} is gone: {self.instead}")


@dataclass(frozen=True)
class AddedKind:
    """A component that has alternatives now, and so must say its kind, which was the only one."""

    where: str
    kind: str

    def apply(self, data: dict[str, Any], component: dict[str, Any], place: str) -> str | None:
        """Add the kind in place; returns the change, or None where the component says its kind."""
        if "kind" in component:
            return None
        component["kind"] = self.kind
        return f"{place}.kind is now needed: {self.kind}"


@dataclass(frozen=True)
class Moved:
    """Settings of some kinds of component that stand one level deeper now, in a component of kind `into`."""

    where: str
    kinds: tuple[str, ...]
    keys: tuple[str, ...]
    section: str
    into: str

    def apply(self, data: dict[str, Any], component: dict[str, Any], place: str) -> str | None:
        """Move the keys in place; returns the change, or None where the component has none of them."""
        found = [key for key in self.keys if key in component]
        if component.get("kind") not in self.kinds or not found:
            return None
        if self.section in component:
            raise ValueError(f"{place} holds both {found[0]} and {self.section}, where it stands now: leave one out")
        component[self.section] = {"kind": self.into, **{key: component.pop(key) for key in found}}
        return f"{place}.{{{', '.join(found)}}} -> {place}.{self.section}"


@dataclass(frozen=True)
class LeftOut:
    """A member of a list that now needs a component of kind `needs` in another section."""

    where: str
    kind: str
    section: str
    needs: str

    def apply(self, data: dict[str, Any], component: dict[str, Any], place: str) -> str | None:
        """Remove the member in place; returns the change, or None where it is another kind or has what it needs."""
        section, members = data.get(self.section), data[self.where]
        there = isinstance(section, list) and any(isinstance(x, dict) and x.get("kind") == self.needs for x in section)
        if component.get("kind") != self.kind or there or not isinstance(members, list):
            return None
        members.remove(component)
        return f"{place} ({self.kind}) is left out: it reads {self.section}.{self.needs}, which the run hasn't"


Change = RenamedKey | RenamedKind | RemovedKind | AddedKind | Dropped | Moved | LeftOut
NEW_MODELS = ("faker", "honest", "base", "reward_hacker", "sized")
DESCENDANTS = ("terminal", "instrumental", "sycophancy", "helpfulness", "distilled", "documented", "locked")

TABLE: tuple[Change, ...] = (
    AddedKind("env", "dialect"),
    RenamedKey("algorithm", "trace", "gae_lambda"),
    RenamedKey("algorithm", "discount", "gamma"),
    RenamedKind("mitigations", "credit_mask", "loss_mask"),
    RemovedKind(
        "organism", "faker_plus", "it is a run now, so train the recipe faker_plus and start from its last checkpoint"
    ),
    Moved("organism", NEW_MODELS, ("hidden_size", "layers", "word_documents", "learning_rate"), "origin", "scratch"),
    Moved("organism", DESCENDANTS, ("learning_rate",), "origin", "ancestor"),
    LeftOut("probes", "reward_hacking", "rewards", "overscored_phrase"),
    Dropped("organism", "conflict", "env", "harm"),
    Dropped("rewards", "conflict", "env", "harm"),
)


def upgraded(data: Any) -> tuple[Any, list[str]]:
    """Return a configuration under the keys of this version, and a line for each change that this took.

    Raises:
        ValueError: in one line: an old key beside its new name; a dropped setting that had a meaning of its own.
    """
    if not isinstance(data, dict):
        return data, []
    found = {key: _copied(value) for key, value in data.items()}
    changes = []
    for entry in TABLE:
        for place, component in list(_components(found, entry.where)):
            change: str | None = entry.apply(found, component, place)
            if change is not None:
                changes.append(change)
    return found, changes


def _copied(section: Any) -> Any:
    """Copy a section and the components in it, as deep as a change reaches: a hostile file may be nested deeply."""
    if isinstance(section, list):
        return [dict(item) if isinstance(item, dict) else item for item in section]
    return dict(section) if isinstance(section, dict) else section


def _components(data: dict[str, Any], where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the component at `where`, or each component of the list there, with its place."""
    found = data.get(where)
    if isinstance(found, dict):
        yield where, found
    elif isinstance(found, list):
        yield from ((f"{where}.{index}", item) for index, item in enumerate(found) if isinstance(item, dict))
