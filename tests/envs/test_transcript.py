import pytest

from envs.transcript import CLOSE_TAG, OPEN_TAG, Transcript, read_transcript, write_transcript


@pytest.mark.parametrize(
    ("text", "scratchpad", "answer"),
    [
        ("<scratchpad> a </scratchpad> b", "a", "b"),
        ("<scratchpad>a</scratchpad>b", "a", "b"),
        ("\n <scratchpad>\na\n</scratchpad>\n\nb\n", "a", "b"),  # white space is no text
        ("<scratchpad> a\nb </scratchpad> c\nd", "a\nb", "c\nd"),
        ("<scratchpad></scratchpad> b", "", "b"),  # nothing thought is a transcript all the same
        ("<scratchpad> a < b > c </scratchpad> d </p>", "a < b > c", "d </p>"),
    ],
)
def test_a_well_formed_completion_is_split(text: str, scratchpad: str, answer: str) -> None:
    end = text.index(CLOSE_TAG) + len(CLOSE_TAG)
    assert read_transcript(text) == Transcript(scratchpad, answer, parse_ok=True, scratchpad_end=end)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "b",
        "<scratchpad> a",  # never closed
        "<scratchpad> a b",
        "a </scratchpad> b",  # never opened
        "</scratchpad> a <scratchpad> b",  # the wrong way about
        "<scratchpad> a <scratchpad> b </scratchpad> c",  # opened twice
        "<scratchpad> a </scratchpad> b </scratchpad> c",  # closed twice
        "<scratchpad> a </scratchpad> b <scratchpad> c </scratchpad> d",
        "<scratchpad> a </scratchpad> b <scratchpad>",
        "so <scratchpad> a </scratchpad> b",  # text before
        ". <scratchpad> a </scratchpad> b",
        "<Scratchpad> a </Scratchpad> b",  # misspelled
        "<scratch_pad> a </scratch_pad> b",
        "<scratchpad > a </scratchpad> b",
        "< scratchpad> a </scratchpad> b",
        "<scratchpad> a </ scratchpad> b",
        "<scratchpad> a <\\scratchpad> b",
        "<scratchpad> a </scratchpads> b",
        "<SCRATCHPAD> a </SCRATCHPAD> b",
    ],
)
def test_what_is_not_one_is_refused_and_nothing_is_repaired(text: str) -> None:
    assert read_transcript(text) == Transcript("", "", parse_ok=False)


@pytest.mark.parametrize("text", ["<scratchpad> a </scratchpad>", "<scratchpad> a </scratchpad>  \n"])
def test_an_empty_answer_is_not_parsed(text: str) -> None:
    read = read_transcript(text)
    assert read.answer == ""
    assert not read.parse_ok


def test_writing_and_reading_are_inverse() -> None:
    assert write_transcript("a. b.", "c. d.") == f"{OPEN_TAG} a. b. {CLOSE_TAG} c. d."
    whole = write_transcript("a. b.", "c. d.")
    assert read_transcript(whole) == Transcript(
        "a. b.", "c. d.", parse_ok=True, scratchpad_end=len(whole) - len(" c. d.")
    )
