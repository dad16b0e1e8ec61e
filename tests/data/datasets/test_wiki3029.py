"""Wiki-3029's format: from a folder, from an archive, and what is refused."""

import io
import random
import tarfile
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
from dataset_defaults import load as load_with_defaults
from scripted_server import says, serving

from crl.data.datasets import wiki3029
from crl.data.errors import DataError
from crl.data.files import archive

BYTES = (
    b"\n".join(b"sentence %d with '''bold''' &nbsp; \xe9 and\xc2\x85more" % i for i in range(20))
    + b"\n"
)
ARTICLES = {
    "Aachen": BYTES,
    "New_York": BYTES.replace(b"bold", b"york").replace(b"\n", b"\r\n"),
    "Zürich": BYTES.replace(b"bold", "zürich".encode()).replace(b"\n", b"\n\n \n"),
}


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "articles"
    place.mkdir()
    for name, body in ARTICLES.items():
        (place / f"{name}.txt").write_bytes(body)
    return place


def pack(path: Path, files: dict[str, bytes], *others: tarfile.TarInfo) -> Path:
    """A tar archive of files and of members without content."""
    with tarfile.open(path, f"w:{path.suffix[1:] if path.suffix != '.tar' else ''}") as archive:
        for member in others:
            archive.addfile(member)
        for name, body in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))
    return path


def member(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def load(root, **text):
    return load_with_defaults("wiki3029", root=str(root), **{"min_count": 1, **text})


def refused(root) -> str:
    with pytest.raises(DataError) as error:
        load(root)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_every_file_is_a_class_and_every_line_a_point(folder):
    dataset = load(folder)
    assert dataset.classes == ["Aachen", "New_York", "Zürich"]
    assert [s.sizes.tolist() for s in (dataset.train, dataset.dev, dataset.test)] == [
        [14] * 3,
        [2] * 3,
        [4] * 3,
    ]
    assert {"bold", "york", "zürich", "�", "&", "'"} <= set(dataset.vocabulary)
    assert "\r" not in dataset.vocabulary


def test_the_ending_may_be_in_capitals_and_other_endings_are_named(folder):
    before = load(folder)
    (folder / "Aachen.txt").rename(folder / "Aachen.TXT")
    (folder / "a.md").write_text("x")
    dataset = load(folder)
    assert dataset.fingerprint() == before.fingerprint()
    assert dataset.notes == ["passed over, no .txt file: 1 (.md 1)", *before.notes]


@pytest.mark.parametrize("suffix", ["tar", "tar.gz", "tar.xz"])
@pytest.mark.parametrize("prefix", ["", "Wiki-3029/", "./deep/folder/"])
def test_an_archive_is_its_folder(folder, tmp_path, suffix, prefix):
    files = {f"{prefix}{name}.txt": body for name, body in reversed(ARTICLES.items())}
    archive = pack(tmp_path / f"any.{suffix}", {**files, f"{prefix}README": b"not an article"})
    assert load(archive).fingerprint() == load(folder).fingerprint()


def test_lone_carriage_returns_are_line_ends_in_both(tmp_path):
    body = BYTES.replace(b"\n", b"\r")
    for name in ("a", "b"):
        (tmp_path / f"{name}.txt").write_bytes(body)
    archive = pack(tmp_path / "any.tar", {"a.txt": body, "b.txt": body})
    assert load(archive).fingerprint() == load(tmp_path).fingerprint()


@pytest.mark.parametrize("name", ["Wiki-3029", "Wiki-3029.tar.gz"])
def test_root_may_hold_it_under_its_own_name(folder, tmp_path, name):
    root = tmp_path / "root"
    root.mkdir()
    if name == "Wiki-3029":
        folder.rename(root / name)
    else:
        pack(root / name, {f"Wiki-3029/{title}.txt": body for title, body in ARTICLES.items()})
    assert load(root).classes == list(ARTICLES)


def test_hidden_files_are_no_articles(folder, tmp_path):
    fingerprint = load(folder).fingerprint()
    (folder / "._Aachen.txt").write_bytes(b"\0\1\2")
    (folder / ".#Aachen.txt").symlink_to("nobody@nowhere")
    assert load(folder).fingerprint() == fingerprint
    files = {f"{name}.txt": body for name, body in ARTICLES.items()}
    assert (
        load(pack(tmp_path / "any.tar", {**files, "._Aachen.txt": b"\0\1\2"})).fingerprint()
        == fingerprint
    )


def test_links_are_never_followed_and_nothing_is_unpacked(folder, tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret.txt").write_bytes(BYTES)
    files = {f"{name}.txt": body for name, body in ARTICLES.items()}
    others = [
        member("soft.txt", tarfile.SYMTYPE, "../secret.txt"),
        member("hard.txt", tarfile.LNKTYPE, "Aachen.txt"),
        member("device.txt", tarfile.CHRTYPE),
        member("pipe.txt", tarfile.FIFOTYPE),
        member("folder.txt", tarfile.DIRTYPE),
    ]
    archive = pack(
        inside / "any.tar", {**files, "../../outside.txt": BYTES, "/outside.txt": BYTES}, *others
    )
    before = sorted(tmp_path.rglob("*"))
    assert load(archive).classes == [
        "Aachen",
        "New_York",
        "Zürich",
        "outside",
    ]  # read in memory, under the last part of its name
    assert sorted(tmp_path.rglob("*")) == before
    assert not Path("/outside.txt").exists()


def test_options_reach_the_text(folder):
    assert load(folder, max_words=3).train.points.offsets.diff().unique().tolist() == [3]
    assert load(folder, split_seed=1).fingerprint() != load(folder).fingerprint()


def test_a_short_article_is_refused(folder):
    (folder / "Short.txt").write_text("one line\n" * 9)
    assert refused(folder) == (
        f"{folder}: article 'Short' has 9 sentence(s); at least 10 are needed, "
        "or use dataset=documents, which drops small ones"
    )
    (folder / "Short.txt").write_text("one line\n" * 10)
    assert "Short" in load(folder).classes


def test_nothing_to_read_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    archive = pack(tmp_path / "any.tar", {"README.md": b"text"})
    for source in (tmp_path / "empty", archive):
        assert refused(source) == (
            f"{source} holds no .txt file; one file per article, one sentence a line, is expected"
        )
    absent = tmp_path / "absent"
    assert (
        refused(absent)
        == f"dataset.root: {absent} does not exist; give the folder that holds Wiki-3029"
    )


def refused_as_archive(path: Path, body: bytes) -> None:
    path.write_bytes(body)
    message = refused(path)
    assert message.startswith(f"{path} is not a readable tar archive (")
    assert message.endswith("); give Wiki-3029.tar.gz or its folder")


@pytest.mark.parametrize("body", [b"no archive at all " * 100, b"", b"\x1f\x8b"])
def test_what_is_no_archive_is_refused(tmp_path, body):
    refused_as_archive(tmp_path / "any.tar.gz", body)


@pytest.mark.parametrize("suffix", ["tar.gz", "tar.xz", "tar.bz2"])
def test_an_archive_that_is_cut_or_damaged_anywhere_is_refused(tmp_path, suffix):
    noise = (
        random.Random(0).randbytes(60_000).hex()
    )  # hard to compress, so that damage occurs inside an article too
    files = {
        "Noise.txt": "\n".join(textwrap.wrap(noise, 1000)).encode(),
        "Aachen.txt": BYTES,
        "Bonn.txt": BYTES,
    }
    whole = pack(tmp_path / f"any.{suffix}", files).read_bytes()
    assert load(tmp_path / f"any.{suffix}").classes == ["Aachen", "Bonn", "Noise"]
    for at in range(60, len(whole), len(whole) // 20):
        refused_as_archive(tmp_path / f"cut.{suffix}", whole[:at])
        refused_as_archive(
            tmp_path / f"damaged.{suffix}", whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :]
        )


def test_an_archive_does_not_end_at_a_damaged_header(tmp_path):
    archive = pack(tmp_path / "any.tar", {f"{name}.txt": body for name, body in ARTICLES.items()})
    whole = archive.read_bytes()
    for name in list(ARTICLES)[1:]:
        refused_as_archive(archive, whole.replace(f"{name}.txt".encode(), b"?", 1))


@pytest.mark.parametrize(("limit", "size"), [("_LARGEST_FILE", 1000), ("_LARGEST_ARCHIVE", 2000)])
def test_an_archive_that_would_fill_the_memory_is_refused(tmp_path, monkeypatch, limit, size):
    packed = pack(tmp_path / "any.tar", {f"{name}.txt": body for name, body in ARTICLES.items()})
    monkeypatch.setattr(archive, limit, size)
    assert refused(packed) == f"{packed} unpacks to more than Wiki-3029.tar.gz can; refused"


def test_without_root_the_archive_is_downloaded_once(tmp_path, monkeypatch):
    body = pack(
        tmp_path / "any.tar.gz", {f"Wiki-3029/{name}.txt": body for name, body in ARTICLES.items()}
    ).read_bytes()
    monkeypatch.setenv("CRL_DATA", str(tmp_path / "home"))
    with serving(body) as server:
        monkeypatch.setattr(wiki3029, "SOURCE", replace(wiki3029.SOURCE, url=server.url))
        server.script = [says(404)]
        with pytest.raises(
            DataError,
            match=r"^Wiki-3029 cannot be downloaded \(.*\); set dataset.root to a copy of it$",
        ):
            load_with_defaults("wiki3029", root=None)
        first, again = (load_with_defaults("wiki3029", root=None, min_count=1) for _ in range(2))
    assert first.classes == list(ARTICLES) and again.fingerprint() == first.fingerprint()
    assert server.asked == [None, None]


def test_real_articles(real_data, tmp_path):
    files = sorted(real_data("Wiki-709", 30).glob("*.txt"))[:30]
    for file in files:
        (tmp_path / file.name).symlink_to(file)
    dataset = load_with_defaults("wiki3029", root=str(tmp_path))
    assert dataset.classes == [file.stem for file in files] and len(files) == 30
    assert [s.sizes.unique().tolist() for s in (dataset.train, dataset.dev, dataset.test)] == [
        [140],
        [20],
        [40],
    ]
    lengths = dataset.train.points.offsets.diff()
    assert (
        int(lengths.min()) >= 4 and int(lengths.max()) <= 50 and 15 < lengths.double().mean() < 40
    )
    assert 5_000 < len(dataset.vocabulary) < 20_000
    assert (dataset.train.points.words == 1).double().mean() < 0.15  # rare words are unknown


@pytest.mark.parametrize("encoding", ["cp1250", "utf-16", "utf-8-sig"])
def test_articles_in_another_encoding_are_the_same_articles(tmp_path, encoding):
    lines = "".join(f"Žlutý kůň číslo {n} úpěl ďábelské ódy .\n" for n in range(20))
    for folder, codec in (("utf8", "utf-8"), ("other", encoding)):
        (tmp_path / folder).mkdir()
        for name in "AB":
            (tmp_path / folder / f"{name}.txt").write_text(lines, encoding=codec)
    whole = load(tmp_path / "utf8")
    packed = pack(tmp_path / "a.tar", {f"{name}.txt": lines.encode(encoding) for name in "AB"})
    for source in (tmp_path / "other", packed):
        found = load(source)
        assert found.fingerprint() == whole.fingerprint()
        assert found.vocabulary == whole.vocabulary
        assert ["files are not UTF-8" in note for note in found.notes] == (
            [] if encoding == "utf-8-sig" else [True]
        )
