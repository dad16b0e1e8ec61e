"""File names: safe everywhere, and one for each title."""

from hypothesis import given
from hypothesis import strategies as st

from crl.data.wikipedia.file_names import ArticleNames, file_name


@given(
    st.lists(
        st.text(min_size=1, max_size=300) | st.text("aA./\\\n_%é", min_size=1, max_size=5),
        unique=True,
        max_size=20,
    )
)
def test_every_title_has_a_safe_name_of_its_own(titles):
    names = ArticleNames({})
    titles = list(dict.fromkeys(" ".join(title.replace("_", " ").split()) for title in titles))
    for title in titles:
        assert title not in names
        name = names.add(title)
        assert title in names
        stem = name.removesuffix(".txt")
        assert (
            name == f"{stem}.txt"
            and stem
            and not stem.startswith(".")
            and len(name.encode()) <= 180
        )
        assert not set(name) & set('/\\:*?"<>|\0\n\r\t ') and name.isprintable()
    assert len({name.casefold() for name in names.named}) == len(titles)
    assert list(names.named.values()) == titles


def test_names_are_those_of_wiki_3029(tmp_path):
    expected = {
        "New York": "New_York.txt",
        "St. Louis": "St._Louis.txt",
        "Zürich": "Zürich.txt",
        "AC/DC": "AC%2FDC.txt",
        ".hack": "%2Ehack.txt",
        "..": "%2E..txt",
        "100%": "100%25.txt",
        "a\nb": "a%0Ab.txt",
        "Con": "%43on.txt",
        "東京": "東京.txt",
    }
    assert {title: file_name(title) for title in expected} == expected
    assert (
        file_name("x" * 300)
        == f"{'x' * 159}-{file_name('x' * 300)[160:176]}.txt"
        != file_name("x" * 301)
    )
    names = ArticleNames({})
    for title in ("Aids", "AIDS", "aids"):
        names.add(title)
    assert len(names.named) == 3 and next(iter(names.named)) == "Aids.txt"
    for name in [*expected.values(), *names.named]:
        (tmp_path / name).write_text("")
    assert len(list(tmp_path.glob("*.txt"))) == len(expected) + 3
