"""Where running text is split, and that none of it is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crl.data.text.sentences import count_ends, is_ended, split_sentences


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
        ["Černý kůň běží.", "Šedý vlk stojí.", "Žlutý pes spí.", "Łódź płynie."],
        ["Это так.", "Она ушла!", "Как дела?", "Ёж спит."],
        ["Ο σκύλος τρέχει.", "Πού πας;", "Έρχομαι αύριο."],
        ["وصل القطار.", "هل نام الناس؟", "نعم، ناموا!", "د. أحمد هنا."],
        ["یہ پہلا ہے۔", "یہ دوسرا ہے۔"],
        ["यह पहला है।", "यह ३.५ किलो है।", "राम आया.", "श्याम गया॥"],
        ["זה ראשון.", "זה שני!", "מה שלומך?"],
        ["기차가 왔다.", "사람들은 잔다.", "정말?"],
        ["ქართული ენა.", "ის ლამაზია."],
        ["Հայերեն լեզու։", "Այն գեղեցիկ է։"],
        ["አማርኛ ነው።", "ሁለተኛ ነው።"],
        ["¿Qué tal?", "¡Hola!", "Bien."],
        ["Il dit : « Oui. »", "« Non », dit-elle.", "Alors il partit."],
        ["Er sagte: „Ja.“", "„Nein“, sagte sie.", "Ärger kam."],
        ["Tam byl Dr. Novák.", "Š. Černý přišel."],
        ["He waited … and waited…", "Then he went."],
        ["A list; of things.", "What; No."],
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


@pytest.mark.parametrize(
    "sentences",
    [
        ["这是第一句。", "这是第二句！", "真的吗？", "“好。”", "他说了3．5次。"],
        ["今日は晴れ。", "「はい。」と言った。", "「明日。」", "雨だ！"],
        ["पहला है।", "दूसरा है।"],
    ],
)
def test_marks_that_need_no_white_space(sentences):
    assert split_sentences("".join(sentences)) == sentences


@pytest.mark.parametrize("text", ["One.", 'Why?" ', "好。」", "है।", "πας;", "یہ ہے۔", "Oui. »"])
def test_an_ended_sentence(text):
    assert is_ended(text) and count_ends(text) >= 1


@pytest.mark.parametrize("text", ["", " ", "One", "a, b;", "好", "»"])
def test_no_ended_sentence(text):
    assert not is_ended(text)


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
        "好。",
        "है। ",
        "؟",
        "« Oui",
        " »",
        " ",
        "\n",
        "\n \n",
        "\u00a0",
    ]
)


@given(st.text() | st.lists(pieces).map(" ".join) | st.lists(pieces).map("".join))
def test_joining_the_sentences_gives_back_the_text_up_to_white_space(text):
    sentences = split_sentences(text)
    assert "".join("".join(sentences).split()) == "".join(text.split())
    assert all(sentence == " ".join(sentence.split()) != "" for sentence in sentences)


@given(st.lists(pieces).map(" ".join))
def test_a_sentence_is_split_no_further(text):
    sentences = split_sentences(text)
    assert [part for sentence in sentences for part in split_sentences(sentence)] == sentences
