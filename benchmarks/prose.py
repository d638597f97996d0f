"""Share of docstrings that break the prose rule.

A first pass for a reader's check, not a grammar.
"""

import argparse
import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("rl", "envs", "rewards", "checkpoints", "reports", "benchmarks", "examples")
KINDS = ("opening", "mood", "clauses", "long")
MOST_CLAUSES = 1
MOST_WORDS = 40
OK, TOO_MANY, WRONG_INPUT = 0, 1, 2


def _word_set(text: str) -> frozenset[str]:
    """Split a text at its white space into a set."""
    return frozenset(text.split())


OPENINGS = _word_set("what whether those of that which how where when as")
# Words that may open the docstring of a function, all in the base form. Add verbs that are missing.
VERBS = _word_set(
    """
    abort accept accumulate add advance align allocate allow answer append apply ask assemble assert assign attach
    attend audit average bind bound break bring broadcast build cache calculate call cancel cap carry cast catch
    centre certify chain change check choose clamp clean clear click clip clone close cluster collapse collect
    combine commit compare compile complete compose compress compute concatenate configure confirm connect construct
    continue convert copy correct count cover create crop cut deal decide declare decode decorate decrement
    deduplicate define delete deliver demand derive describe deserialise detach detect determine dial differentiate
    digest disable discard divide do download draw drop dump edit embed emit empty enable encode end enforce enter
    enumerate escape estimate evaluate exclude execute exercise exit expand expect explain export extend extract
    fail fake fetch fill filter find finish fire fit fix flag flatten flip flush fold follow force forget fork
    format forward free freeze gather generate get give go grade group guess halve hand handle hash help hide hold
    host identify ignore import include increment index infer inform inherit initialise insert inspect install
    interpolate interpret interrupt intersect invert invoke iterate join judge keep kill label launch lay lead learn
    leave let lift limit link list listen load locate lock log look lower make map mark mask match mean measure
    merge mix modify monitor move name negate normalise note notify number observe obtain offer omit open optimise
    order overlay overwrite pack pad paint pair parse partition pass patch pause pay penalise perform permute pick
    place play plot point pool pop post predict prefill prepare preprocess prevent print probe proceed process
    produce project protect prove prune publish pull push put query queue quote raise rank rate reach read rebuild
    receive recompute reconstruct record recover reduce refer refresh refuse register reject release reload remove
    rename render renew reopen repeat replace report represent request require reserve reset reshape resolve respond
    restart restore restrict resume retry return reverse rewind rewrite roll rotate round run sample save say scale
    scan schedule score screen search select send separate serialise serve set settle share shift shorten show
    shuffle shut sign signal simulate sit skip slice snapshot solve sort split spread stack stage standardise start
    state steer step stop store strip style submit subtract suggest sum summarise supply suppress swap switch
    synchronise take teach tell terminate test tie time tokenise trace track train transform translate transpose
    trim truncate try turn undo unfreeze union unpack unwrap update upgrade upload use validate verify view visit
    wait walk warm warn watch weigh weight whiten widen wind wrap write yield zero
    """
)
# Before `that` these make a conjunction of it: "so that", "says that". Behind it these make a demonstrative.
CONJUNCTIONS = _word_set(
    """so such now except given provided after before than
    say says said saying tell tells told mean means meant show shows shown know knows known ensure ensures note notes
    assert asserts check checks find finds found see sees seen require requires prove proves believe believes"""
)
DEMONSTRATIVES = _word_set("of one many much way")
RELATIVES = _word_set("which who whom whose where what")


@dataclass(frozen=True)
class Docstring:
    """Docstring of a module, a class or a function, and where it stands."""

    path: Path
    line: int
    text: str
    needs_verb: bool


@dataclass(frozen=True)
class Offence:
    """Breach of one rule by a docstring; `excerpt` holds the words."""

    docstring: Docstring
    kind: str
    excerpt: str

    def __str__(self) -> str:
        return f"{self.docstring.path}:{self.docstring.line}: {self.kind}: {self.excerpt}"


def docstrings(source: str, path: Path) -> Iterator[Docstring]:
    """Yield every docstring of a source file."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        text = ast.get_docstring(node)
        if text:
            needs_verb = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not _is_a_noun(node)
            yield Docstring(path, node.body[0].lineno, text, needs_verb)


def _is_a_noun(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Tell whether a function stands for a value: a property, or a recipe, whose docstring `gyges list` prints."""
    decorators = {ast.unparse(decorator).split(".")[-1] for decorator in node.decorator_list}
    returned = ast.unparse(node.returns) if node.returns else ""
    is_recipe = not node.args.args and returned in ("RunConfig", "list[RunConfig]")
    return is_recipe or bool(decorators & {"property", "cached_property"})


def sentences(text: str) -> list[str]:
    """Split a docstring into sentences; a blank line, a list item and a heading such as `Raises:` end one too."""
    blocks = re.split(r"\n\s*\n|\n(?=\s*(?:[-*] |\w+:\n))|(?<=:)\n", text)
    found: list[str] = []
    for block in blocks:
        joined = " ".join(block.split())
        found += re.split(r"(?<=[.!?])(?<!e\.g\.)(?<!i\.e\.)(?<!\bal\.)\)?\s+(?=[^a-z])", joined)
    return [sentence for sentence in found if sentence]


def words(sentence: str) -> list[str]:
    """Split a sentence into words in lower case; code in backticks counts as one word."""
    return re.findall(r"[a-z0-9_'-]+", re.sub(r"`[^`]*`", "code", sentence).lower())


def relative_clauses(sentence: str) -> int:
    """Count the words of a sentence that begin a relative clause, roughly; the first word is never counted."""
    found = [*words(sentence), ""]
    count = 0
    for place in range(1, len(found) - 1):
        if found[place] == "that":
            count += found[place - 1] not in CONJUNCTIONS and found[place + 1] not in DEMONSTRATIVES
        else:
            count += found[place] in RELATIVES
    return count


def offences(docstring: Docstring) -> list[Offence]:
    """List the rules that one docstring breaks, each once."""
    parts = sentences(docstring.text)
    opening = words(parts[0])[:1]
    found = []
    if opening and opening[0] in OPENINGS:
        found.append(Offence(docstring, "opening", parts[0]))
    elif docstring.needs_verb and not (opening and opening[0] in VERBS):
        found.append(Offence(docstring, "mood", parts[0]))
    if relative_clauses(parts[0]) > MOST_CLAUSES:
        found.append(Offence(docstring, "clauses", parts[0]))
    longest = max(parts, key=lambda part: len(words(part)))
    if len(words(longest)) > MOST_WORDS:
        found.append(Offence(docstring, "long", longest))
    return found


def read_docstrings(root: Path) -> list[Docstring]:
    """Collect the docstrings of all Python files in the folders that the rule is for.

    Raises:
        ValueError: if none of the folders is there.
    """
    paths = sorted(path for folder in FOLDERS for path in (root / folder).rglob("*.py"))
    if not paths:
        raise ValueError(f"{root} holds no Python file in {', '.join(FOLDERS)}: give the root of a checkout")
    return [found for path in paths for found in docstrings(path.read_text(), path.relative_to(root))]


def table(found: Sequence[Docstring], broken: Sequence[Offence]) -> str:
    """Render the counts by folder and kind; `broken` counts docstrings, which may break several rules."""
    lines = [f"{'folder':<12}{'docstrings':>11}{'broken':>8}" + "".join(f"{kind:>9}" for kind in KINDS)]
    for folder in [*FOLDERS, "all"]:
        of = [docstring for docstring in found if folder in ("all", docstring.path.parts[0])]
        if not of:
            continue
        mine = [offence for offence in broken if folder in ("all", offence.docstring.path.parts[0])]
        kinds = Counter(offence.kind for offence in mine)
        bad = len({offence.docstring for offence in mine})
        lines.append(f"{folder:<12}{len(of):>11}{bad / len(of):>8.0%}" + "".join(f"{kinds[k]:>9}" for k in KINDS))
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the counts, or the offenders, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="prose", description=__doc__, epilog="Example: python -m benchmarks.prose --list --max 0"
    )
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout to read (this one)")
    parser.add_argument("--list", action="store_true", help="print each offender as file:line: rule: words")
    parser.add_argument("--max", type=int, help="exit with 1 where more docstrings than this break a rule")
    chosen = parser.parse_args(arguments)
    try:
        found = read_docstrings(chosen.root)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return WRONG_INPUT
    broken = [offence for docstring in found for offence in offences(docstring)]
    print("\n".join(str(offence) for offence in broken) if chosen.list else table(found, broken))
    count = len({offence.docstring for offence in broken})
    if chosen.max is not None and count > chosen.max:
        print(f"{count} docstrings break the prose rule, more than {chosen.max}: see --list", file=sys.stderr)
        return TOO_MANY
    return OK


if __name__ == "__main__":
    sys.exit(main())
