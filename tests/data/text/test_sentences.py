"""Where running text is split, and that none of it is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crl.data.text.sentences import split_sentences


@pytest.mark.parametrize(
    "sentences",
    [
        ["One here.", "Two there!", "Three where?", "4 is a number."],
        ["no capital at first. so this is one sentence."],
        ["Dr. Smith met Mrs. Jones and Prof. Lee."],
        ["J. R. R. Tolkien wrote it.", "George W. Bush did not."],
        ["The U.S. Army came.", "It went."],
        ["See Fig. 3 and Eq. 4 for more, e.g. Table 2, i.e. The last one."],
        ["Acme Inc. Europe and Co. Ltd. Asia merged on Jan. 5 of that year.", "Then it ended."],
        ["It cost 3.5 million.", "Version 1.2.3 was free."],
        ['He said "Go."', "She went."],
        ["He said “Stop!”", "“Why?” she asked."],
        ["(This is inside.)", "This is not.", "[Nor this.]"],
        ["Wait...", "Then go."],
        ["Really?!", "Yes."],
        ["The end of one.", "Ärger begins another.", "Жук too.", "Ωmega as well."],
        ["No end in sight"],
        ["The names of the months Jan. and Feb. and so on."],
    ],
)
def test_sentences(sentences):
    assert split_sentences(" ".join(sentences)) == sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("", []),
        (" \n\n\t\n", []),
        ("A title\n\nThe text.", ["A title", "The text."]),
        ("One line\nand the next.  Two\tspaces.", ["One line and the next.", "Two spaces."]),
        ("Dr.\n \t\nSmith.", ["Dr.", "Smith."]),
        ("a\r\n\r\nb", ["a", "b"]),
    ],
)
def test_lines_and_white_space(text, sentences):
    assert split_sentences(text) == sentences


pieces = st.sampled_from(
    [
        "Dr.",
        "A.",
        "word",
        "End.",
        "What?!",
        '."',
        "“Yes",
        "(No.)",
        "3.5",
        " ",
        "\n",
        "\n \n",
        "\u00a0",
    ]
)


@given(st.text() | st.lists(pieces).map(" ".join) | st.lists(pieces).map("".join))
def test_joining_the_sentences_gives_back_the_text_up_to_white_space(text):
    sentences = split_sentences(text)
    assert " ".join(sentences).split() == text.split()
    assert all(sentence == " ".join(sentence.split()) != "" for sentence in sentences)


@given(st.lists(pieces).map(" ".join))
def test_a_sentence_is_split_no_further(text):
    sentences = split_sentences(text)
    assert [part for sentence in sentences for part in split_sentences(sentence)] == sentences
