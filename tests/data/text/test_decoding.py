"""Text in any encoding: marks, guesses, damaged bytes, and what the user is told."""

import pytest

from crl.data.errors import DataError
from crl.data.text.decoding import find_encodings, read_text

CZECH = "Příliš žluťoučký kůň úpěl ďábelské ódy. Vlak přijel pozdě večer a lidé už spali.\n"
POLISH = "Pociąg przyjechał późnym wieczorem i ludzie już spali. Zażółć gęślą jaźń na łące.\n"
RUSSIAN = "Поезд пришёл поздно вечером, и люди уже спали. Съешь же ещё этих мягких булок.\n"
GREEK = "Το τρένο έφτασε αργά το βράδυ και οι άνθρωποι κοιμόντουσαν ήδη στην πλατεία.\n"
FRENCH = "Le train est arrivé tard dans la soirée, où êtes-vous passés ? Ça va, élève gâté.\n"
JAPANESE = "電車は夜遅くに到着し、人々はもう眠っていた。広場には古い噴水があった。\n"
CHINESE = "火车晚上很晚才到，人们已经睡着了。广场上有一个古老的喷泉。\n"


def decoded(files: dict[str, bytes], encoding: str = "guess") -> tuple[dict[str, str], list[str]]:
    decoder = find_encodings(files, files.__getitem__, encoding)
    return {name: decoder.text(name, content) for name, content in files.items()}, decoder.notes


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (CZECH, "cp1250"),
        (CZECH, "iso8859_2"),
        (POLISH, "cp1250"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8_r"),
        (GREEK, "cp1253"),
        (FRENCH, "cp1252"),
        (JAPANESE, "shift_jis"),
        (JAPANESE, "euc_jp"),
        (CHINESE, "gb18030"),
        (CHINESE, "big5"),
        (CZECH, "utf-16-le"),
        (CZECH, "utf-16-be"),
    ],
)
def test_the_encoding_of_usual_text_is_guessed_and_told(text, encoding):
    sent = text.encode(encoding, "ignore") * 3
    texts, (note,) = decoded({"a": sent, "b": CZECH.encode()})
    assert texts == {"a": sent.decode(encoding), "b": CZECH}
    assert note.startswith("1 of 2 files are not UTF-8; read as ")
    assert note.endswith("(a guess; dataset.encoding=NAME corrects it)")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-be", "utf-32-be"])
def test_a_mark_at_the_beginning_decides_whatever_was_given(encoding):
    marked = ("" if encoding in ("utf-16", "utf-32") else "\ufeff") + CZECH
    for given in ("guess", "cp1250"):
        texts, notes = decoded({"a": marked.encode(encoding)}, given)
        assert texts == {"a": CZECH}
        assert notes == [f"1 of 1 files are not UTF-8; read as {encoding[:6]} (their mark)"]


def test_the_mark_of_utf_8_is_no_character_and_lines_end_in_one_way():
    texts, notes = decoded({"a": b"\xef\xbb\xbfone\r\ntwo\rthree\xef\xbb\xbf\n"})
    assert (texts, notes) == ({"a": "one\ntwo\nthree\n"}, [])


def test_many_short_files_are_guessed_together():
    words = [word for word in CZECH.split() if not word.isascii()] * 5
    texts, notes = decoded({str(n): word.encode("cp1250") for n, word in enumerate(words)})
    assert list(texts.values()) == words
    assert notes[0].startswith(f"{len(words)} of {len(words)} files are not UTF-8; read as cp1250")


def test_files_in_other_scripts_have_encodings_of_their_own():
    parts = {"cs": (CZECH, "cp1250"), "ru": (RUSSIAN, "cp1251"), "el": (GREEK, "cp1253")}
    files = {name: (text * 4).encode(encoding) for name, (text, encoding) in parts.items()}
    texts, notes = decoded(files)
    assert texts == {name: text * 4 for name, (text, _) in parts.items()}
    assert all(encoding in notes[0] for _, encoding in parts.values())


def test_a_given_encoding_is_obeyed_and_bytes_outside_it_are_counted():
    files = {"a": CZECH.encode("cp1250"), "b": b"caf\x81"}
    texts, notes = decoded(files, "cp1250")
    assert texts == {"a": CZECH, "b": "caf\ufffd"}
    assert notes == ["1 of 2 files hold bytes that are not cp1250, which are replaced: b"]


@pytest.mark.parametrize("damage", [b"\xff", b"\xc5"])
def test_a_few_damaged_bytes_make_no_other_encoding(damage):
    texts, notes = decoded({"a": CZECH.encode() + damage})
    assert texts == {"a": CZECH + "\ufffd"}
    assert notes == ["1 of 1 files hold bytes that are not UTF-8, which are replaced: a"]


def test_bytes_that_are_no_text_are_replaced_and_told():
    noise = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xff\x00\x81\xfe\0" * 9
    _, notes = decoded({"a": noise})
    assert notes == ["1 of 1 files hold bytes that are not UTF-8, which are replaced: a"]


@pytest.mark.parametrize("name", ["cp9999", "rot13", "hex", "undefined", "", "utf\0"])
def test_an_encoding_that_does_not_exist_is_refused(name):
    with pytest.raises(DataError, match=r"^dataset.encoding: there is no .*; give one such as"):
        decoded({"a": b"a"}, name)


def test_one_file(tmp_path):
    (tmp_path / "a").write_text(CZECH, encoding="cp1250")
    assert read_text(tmp_path / "a") == CZECH
    with pytest.raises(DataError, match="none cannot be read"):
        read_text(tmp_path / "none")
