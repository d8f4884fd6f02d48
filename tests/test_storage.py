"""Storage on SQLite and on a real PostgreSQL: migrations, files by their hash, search, isolation, deleting that deletes."""

from __future__ import annotations

import io
import json
import resource
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sayso.errors import BadInput
from sayso.storage import library, people, portable, search, tables, talks
from sayso.storage.blobs import Alone, Damaged, Disk, digest
from sayso.storage.database import Database
from sayso.storage.errors import NotFound, StorageFull
from sayso.storage.library import Sieve
from sayso.storage.pages import new_id, now
from sayso.storage.rows import StoredFile, StoredPicture
from sayso.storage.shelf import Shelf


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    database.migrate()
    yield database
    database.close()


@pytest.fixture
def shelf(db: Database, tmp_path: Path) -> Shelf:
    return Shelf(db, Disk(tmp_path / "pictures"))


def add(shelf: Shelf, owner: str, prompt: str, data: bytes = b"png", **more: object) -> StoredPicture:
    with shelf.storing(data) as (tx, (blob,)):
        picture = StoredPicture(
            new_id("ig_"), owner, blob, len(data), "image/png", 8, 8, prompt, None, "fake", "", 2**62, "mark", "created", now()
        )
        picture = replace(picture, **more)  # type: ignore[arg-type]
        library.add_picture(tx, picture)
    return picture


def found(shelf: Shelf, owner: str, words: str, **more: object) -> list[str]:
    with shelf.db.read() as tx:
        return [p.prompt for p in library.find_pictures(tx, owner, Sieve(words, **more), None, 50).rows]  # type: ignore[arg-type]


def test_migrations_make_what_the_tables_say(db: Database) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    db.migrate()  # a second time does nothing
    with db.read() as tx:
        assert compare_metadata(MigrationContext.configure(tx), tables.METADATA) == []


def test_several_processes_may_migrate_at_once(database_url: str) -> None:
    errors: list[Exception] = []

    def go() -> None:
        try:
            database = Database(database_url)
            database.migrate()
            database.close()
        except Exception as error:  # noqa: BLE001 - the test tells
            errors.append(error)

    threads = [threading.Thread(target=go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_a_failed_transaction_leaves_nothing(db: Database) -> None:
    with pytest.raises(RuntimeError), db.write() as tx:
        people.create(tx, "a", False, 0, 0, None)
        raise RuntimeError
    with db.read() as tx:
        assert people.every(tx) == ()


@pytest.mark.parametrize("url", ["nonsense", "mysql://x/y", "sqlite:////proc/nowhere/x.sqlite"])
def test_a_database_that_cannot_be_is_named(url: str) -> None:
    with pytest.raises((BadInput, StorageFull, OSError)):
        Database(url).migrate()


def test_keys_are_kept_as_hashes(db: Database) -> None:
    with db.write() as tx:
        key, secret = people.create(tx, "laptop", False, 3, 4, None)
        other, _ = people.create(tx, "other", True, 0, 0, None)
        assert people.find(tx, secret) == key and people.find(tx, secret + "x") is None
        rows = repr(tx.execute(tables.keys.select()).all())
        assert secret not in rows and secret[13:] not in rows
        people.revoke(tx, key.id)
        again = people.find(tx, secret)
        assert again is not None and again.revoked is not None
        with pytest.raises(NotFound):
            people.revoke(tx, "key_none")
        assert {k.id for k in people.every(tx)} == {key.id, other.id}


def test_pictures_are_found_by_words_and_by_nobody_else(shelf: Shelf) -> None:
    add(shelf, "a", "a Red fox, Café style")
    add(shelf, "a", "three foxes on a hill", favourite=True, engine="other", settings={"style": "line", "steps": 4})
    add(shelf, "a", "一只红色的狐狸在雪地里")
    add(shelf, "b", "a red fox of another key")
    assert found(shelf, "a", "fox") == ["three foxes on a hill", "a Red fox, Café style"]
    assert found(shelf, "a", "red FOX") == ["a Red fox, Café style"] == found(shelf, "a", "cafe")
    assert found(shelf, "a", "狐狸") == ["一只红色的狐狸在雪地里"] == found(shelf, "a", "红色 雪")
    assert found(shelf, "a", "狸狐") == [] == found(shelf, "a", "fox whale") == found(shelf, "a", "?!")
    assert len(found(shelf, "a", "")) == 3 and len(found(shelf, "b", "fox")) == 1
    assert found(shelf, "a", "", favourites=True) == ["three foxes on a hill"] == found(shelf, "a", "", engine="other")
    assert found(shelf, "a", "", style="line") == ["three foxes on a hill"] and found(shelf, "a", "", style="lin") == []
    assert found(shelf, "a", "", until=1.0) == [] and len(found(shelf, "a", "", since=1.0)) == 3


@given(st.text(max_size=40), st.text(max_size=40))
def test_every_word_of_a_text_finds_it(before: str, after: str) -> None:
    text = f"{before} {after}"
    index = set(search.index_words(text))
    for word, beginning in search.query_words(before):
        assert any(w.startswith(word) for w in index) if beginning else word in index


def test_pages_follow_each_other(shelf: Shelf) -> None:
    made = [add(shelf, "a", f"picture {i}").id for i in range(7)]
    seen: list[str] = []
    cursor: str | None = None
    with shelf.db.read() as tx:
        while True:
            page = library.find_pictures(tx, "a", Sieve(), cursor, 3)
            seen += [p.id for p in page.rows]
            if (cursor := page.next) is None:
                break
        assert seen == made[::-1]
        with pytest.raises(BadInput, match="cursor"):
            library.find_pictures(tx, "b", Sieve(), made[0], 3)


def test_what_is_another_owners_is_not_there(shelf: Shelf) -> None:
    picture = add(shelf, "a", "mine")
    with shelf.db.write() as tx:
        place = talks.create(tx, "a", "mine", {})
        library.put_document(tx, "a", "response", "resp_1", {"x": 1}, None)
    for look in (
        lambda tx: library.picture(tx, "b", picture.id),
        lambda tx: library.set_favourite(tx, "b", picture.id, True),
        lambda tx: talks.get(tx, "b", place.id),
        lambda tx: library.document(tx, "b", "response", "resp_1"),
        lambda tx: library.drop_document(tx, "b", "response", "resp_1"),
        lambda tx: library.put_document(tx, "b", "response", "resp_1", {"x": 2}, None),
        lambda tx: library.file(tx, "b", "file-1"),
    ):
        with pytest.raises(NotFound), shelf.db.write() as tx:
            look(tx)
    with shelf.db.read() as tx:
        assert library.document(tx, "a", "response", "resp_1").data == {"x": 1}
        assert not library.picture(tx, "a", picture.id).favourite


def test_documents_are_overwritten_and_expire(db: Database) -> None:
    with db.write() as tx:
        library.put_document(tx, "a", "chat", "c1", {"n": 1}, None)
        library.put_document(tx, "a", "chat", "c1", {"n": 2, "狐": "🦊"}, None)
        library.put_document(tx, "a", "chat", "c2", {}, now() - 1)
    with db.write() as tx:
        assert [d.data for d in library.list_documents(tx, "a", "chat", None, 10, True).rows] == [{"n": 2, "狐": "🦊"}]
        library.drop_expired(tx)
        assert tx.execute(tables.documents.select()).mappings().one()["id"] == "c1"


def test_a_shared_file_goes_with_its_last_holder(shelf: Shelf, tmp_path: Path) -> None:
    one, two = add(shelf, "a", "one", b"same"), add(shelf, "b", "two", b"same")
    assert one.blob == two.blob == digest(b"same")
    for owner, picture, left in (("a", one, True), ("b", two, False)):
        with shelf.db.write() as tx:
            loose = library.drop_pictures(tx, owner, [picture.id])
        shelf.collect(loose)
        assert shelf.blobs.has(one.blob) is left
    with pytest.raises(NotFound):
        shelf.blobs.get(one.blob)


def test_a_failed_row_takes_its_file_along(shelf: Shelf) -> None:
    with pytest.raises(RuntimeError), shelf.storing(b"orphan"):
        raise RuntimeError
    assert not shelf.blobs.has(digest(b"orphan"))


def test_a_deletion_between_writing_and_holding_loses_nothing(shelf: Shelf) -> None:
    with shelf.storing(b"raced") as (tx, (blob,)):
        shelf.blobs.delete(blob)  # as another's deletion of the same bytes would, in this very moment
        library.add_file(tx, StoredFile(new_id("file-"), "a", blob, 5, "text/plain", "a", "batch", now()))
    assert shelf.blobs.get(blob) == b"raced"


def test_sweeping_removes_orphans_only(shelf: Shelf, tmp_path: Path) -> None:
    kept = add(shelf, "a", "kept", b"kept")
    shelf.blobs.put(b"orphan")
    torn = tmp_path / "pictures" / ".new" / "torn"
    torn.write_bytes(b"half")
    assert shelf.sweep(3600) == 0 and torn.exists()
    assert shelf.sweep(0) == 1
    assert not torn.exists() and not shelf.blobs.has(digest(b"orphan")) and shelf.blobs.get(kept.blob) == b"kept"


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "a" * 63, "A" * 64, "/" * 64, "..", "a" * 64 + "\0", "%2e%2e/" + "a" * 57])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    disk = Disk(tmp_path)
    for act in (disk.get, disk.has, disk.delete):
        with pytest.raises(NotFound):
            act(name)


def test_damage_and_links_are_noticed(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    name = disk.put(b"picture")
    path = tmp_path / name[:2] / name
    path.write_bytes(b"pictura")
    with pytest.raises(Damaged, match="damaged"):
        disk.get(name)
    path.unlink()
    secret = tmp_path / "secret"
    secret.write_bytes(b"picture")
    path.symlink_to(secret)
    with pytest.raises(OSError):
        disk.get(name)


def test_a_file_too_large_for_the_disk_leaves_nothing(tmp_path: Path) -> None:
    code = (
        "import resource, sys\nfrom pathlib import Path\n"
        "from sayso.storage.blobs import Disk\nfrom sayso.storage.errors import StorageFull\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n    Disk(Path(sys.argv[1])).put(b'x' * 5000)\nexcept StorageFull as e:\n    print('full', e)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert ran.stdout.startswith("full the disk for pictures is full"), ran.stderr
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 1000


def test_the_first_in_a_folder_knows_it(tmp_path: Path) -> None:
    first = Alone(tmp_path)
    first.share()
    second = Alone(tmp_path)
    assert first.first and not second.first
    first.close()
    second.close()
    third = Alone(tmp_path)
    assert third.first
    third.close()


def test_pictures_in_a_bucket() -> None:
    moto = pytest.importorskip("moto", reason="moto is not installed")
    import boto3

    from sayso.storage.s3 import Bucket

    with pytest.MonkeyPatch.context() as patch, moto.mock_aws():
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
            patch.setenv(name, "us-east-1")
        boto3.client("s3").create_bucket(Bucket="pictures")
        bucket = Bucket("s3://pictures/some/where")
        name = bucket.put(b"picture")
        assert bucket.get(name) == b"picture" and bucket.has(name) and list(bucket.names(-5)) == [name] and list(bucket.names(60)) == []
        bucket.delete(name)
        bucket.delete(name)
        assert not bucket.has(name)
        with pytest.raises(NotFound):
            bucket.get(name)
        with pytest.raises(BadInput, match="names no bucket"):
            Bucket("s3:///x")


def test_conversations_are_trees(db: Database) -> None:
    with db.write() as tx:
        place = talks.create(tx, "a", "", {"k": "v"})
        root = talks.append(tx, "a", place, None, "user", [{"text": "draw a fox"}])
        left = talks.append(tx, "a", place, root.id, "assistant", [])
        right = talks.append(tx, "a", place, root.id, "assistant", [{"text": "here"}])
        talks.fill(tx, "a", left.id, [{"text": "one whale"}, {"picture": "ig_1"}])
        tree = talks.tree(tx, place.id)
        assert [t.id for t in tree] == [root.id, left.id, right.id] and tree[1].parts == ({"text": "one whale"}, {"picture": "ig_1"})
        again = talks.get(tx, "a", place.id)
        assert (again.title, again.head, again.metadata) == ("draw a fox", right.id, {"k": "v"})
        assert talks.change(tx, "a", place.id, "Foxes", None, left.id).head == left.id
        with pytest.raises(NotFound):
            talks.change(tx, "a", place.id, None, None, "turn_none")
        assert (
            [c.id for c in talks.find(tx, "a", "whale", None, 10).rows]
            == [place.id]
            == [c.id for c in talks.find(tx, "a", "foxes", None, 9).rows]
        )
        assert talks.find(tx, "b", "", None, 10).rows == ()


def test_conversations_come_newest_change_first(db: Database) -> None:
    with db.write() as tx:
        made = [talks.create(tx, "a", f"t{i}", {}) for i in range(5)]
        talks.change(tx, "a", made[1].id, "t1 again", None, None)
        first = talks.find(tx, "a", "", None, 2)
        rest = talks.find(tx, "a", "", first.next, 9)
        assert [c.id for c in first.rows + rest.rows] == [made[i].id for i in (1, 4, 3, 2, 0)] and rest.next is None


def test_an_export_holds_everything_and_erasing_leaves_nothing(shelf: Shelf, tmp_path: Path) -> None:
    secret = "xylophonist-in-aspic"
    picture, other = add(shelf, "a", secret, b"the picture"), add(shelf, "b", "another", b"kept")
    with shelf.storing(b"a file") as (tx, (blob,)):
        library.add_file(tx, StoredFile(new_id("file-"), "a", blob, 6, "text/plain", secret, "batch", now()))
    with shelf.db.write() as tx:
        place = talks.create(tx, "a", secret, {})
        talks.append(tx, "a", place, None, "user", [{"text": secret}])
        library.put_document(tx, "a", "chat", "c", {"said": secret}, None)
        people.count(tx, "a", people.day(), 3)
    archive = zipfile.ZipFile(io.BytesIO(b"".join(portable.export(shelf, "a"))))
    assert archive.testzip() is None
    assert (
        archive.read(f"pictures/{picture.id}.png") == b"the picture" and len([n for n in archive.namelist() if n.startswith("files/")]) == 1
    )
    rows = [json.loads(line) for name in archive.namelist() if name.endswith(".jsonl") for line in archive.read(name).decode().splitlines()]
    assert len(rows) == 5 and all(secret in json.dumps(row) for row in rows)
    assert other.id not in archive.read("rows/pictures.jsonl").decode()

    portable.erase(shelf, "a")
    assert sum(1 for _ in io.BytesIO(b"".join(portable.export(shelf, "a")))) < 20
    empty = zipfile.ZipFile(io.BytesIO(b"".join(portable.export(shelf, "a"))))
    assert {empty.read(name) for name in empty.namelist()} == {b""}
    left = [path for path in tmp_path.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    assert left == [] and not shelf.blobs.has(picture.blob) and shelf.blobs.get(other.blob) == b"kept"
    with shelf.db.read() as tx:
        for table in tables.METADATA.sorted_tables:
            assert secret not in repr(tx.execute(table.select()).all())
        assert people.used(tx, "a", people.day()) == 0
