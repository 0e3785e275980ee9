//! The store: what was acknowledged is there after any crash, and what is not ours is left alone.

#![expect(
    clippy::unwrap_used,
    clippy::unwrap_in_result,
    reason = "a helper of a test fails as the test does"
)]

mod crash;
mod disk;
mod log;
mod refused;

use bytes::Bytes;
use eyot_core::store::{Key, Row, Rows, StoreBatch, StoreError, StoreQuery, Table};
use eyot_io_tokio::store::engine::{Engine, OpenError};

use disk::{TREE, TestDisk};

fn key(name: &str) -> Key {
    Key::new(Table::Account, &["a.example", name])
}

fn put(name: &str, value: &str) -> StoreBatch {
    StoreBatch::new().put(key(name), value.as_bytes().to_vec())
}

fn all() -> StoreQuery {
    let from = Key::new(Table::Account, &[]);
    let to = Key::from_bytes(Bytes::from_static(&[0xff]));
    StoreQuery::Range { from, to, limit: 1000 }
}

fn names(engine: &mut Engine) -> Vec<String> {
    let rows = engine.query(&all()).unwrap();
    rows.iter().map(|row| row.key.parts().last().unwrap().to_owned()).collect()
}

#[test]
fn rows_are_there_after_a_clean_close() {
    let disk = TestDisk::default();
    let mut engine = disk.open().unwrap();
    engine.apply(&[put("bob", "1"), put("alice", "2"), put("bob", "3")]).unwrap();
    engine.apply(&[StoreBatch::new().delete(key("alice")).delete(key("nobody"))]).unwrap();
    drop(engine);
    let mut engine = disk.open().unwrap();
    let rows = engine.query(&StoreQuery::Get { key: key("bob") }).unwrap();
    assert_eq!(rows, [Row { key: key("bob"), value: Bytes::from_static(b"3") }]);
    assert_eq!(engine.query(&StoreQuery::Get { key: key("alice") }), Ok(Vec::new()));
}

#[test]
fn a_range_is_half_open_ordered_and_limited() {
    let mut engine = TestDisk::default().open().unwrap();
    engine.apply(&[put("c", ""), put("a", ""), put("d", ""), put("b", "")]).unwrap();
    let mut range = |from, to, limit| {
        let rows = engine.query(&StoreQuery::Range { from: key(from), to: key(to), limit }).unwrap();
        rows.iter().map(|row| row.key.parts().last().unwrap().to_owned()).collect::<String>()
    };
    assert_eq!(range("a", "c", 9), "ab");
    assert_eq!(range("a", "e", 3), "abc");
    assert_eq!(range("a", "e", 0), "");
    assert_eq!(range("c", "a", 9), "");
}

/// Asserts that the engine answers every kind of query as the map in memory does.
fn same_as(rows: &Rows, engine: &mut Engine) {
    let [a, c, e] = ["a", "c", "e"].map(key);
    let many = ["e", "nobody", "a", "b", "e"].map(key).to_vec();
    let mut queries = vec![StoreQuery::Get { key: key("c") }, StoreQuery::Many { keys: many }, all()];
    for (from, to, limit) in [(&a, &c, 9), (&a, &e, 2), (&a, &e, 0), (&e, &a, 9), (&c, &c, 9)] {
        queries.push(StoreQuery::Range { from: from.clone(), to: to.clone(), limit });
        queries.push(StoreQuery::Back { from: from.clone(), to: to.clone(), limit });
    }
    for query in queries {
        assert_eq!(engine.query(&query), Ok(rows.query(&query)), "{query:?}");
    }
}

#[test]
fn every_write_and_every_query_means_what_it_means_in_memory() {
    let (mut rows, mut engine) = (Rows::new(), TestDisk::default().open().unwrap());
    for batch in [
        put("c", "1").put(key("a"), "2").put(key("e"), "3").put(key("b"), "4").put(key("d"), "5"),
        StoreBatch::new().delete_range(key("b"), key("d")).put(key("c"), "6").delete(key("nobody")),
        put("b", "7").delete_range(key("a"), key("b")).delete(key("d")),
        StoreBatch::new().delete_range(key("z"), key("a")),
    ] {
        rows.apply(&batch);
        engine.apply(&[batch]).unwrap();
        same_as(&rows, &mut engine);
    }
    assert_eq!(names(&mut engine), ["b", "c", "e"]);
}

#[test]
fn a_full_disk_is_told_and_left_when_there_is_room_again() {
    let disk = TestDisk::default();
    let mut engine = disk.open().unwrap();
    engine.apply(&[put("a", "kept")]).unwrap();
    disk.edit(|state| state.room = Some(state.seen[TREE].len()));
    let huge = StoreBatch::new().put(key("b"), vec![7; 8 * 1024 * 1024]);
    assert_eq!(engine.apply(std::slice::from_ref(&huge)), Err(StoreError::Full));
    assert_eq!(names(&mut engine), ["a"]);
    engine.apply(&[put("c", "small")]).unwrap();
    disk.edit(|state| state.room = None);
    engine.apply(&[huge]).unwrap();
    assert_eq!(names(&mut engine), ["a", "b", "c"]);
}

#[test]
fn after_a_failed_sync_nothing_is_believed_until_the_store_is_opened_anew() {
    let disk = TestDisk::default();
    let mut engine = disk.open().unwrap();
    engine.apply(&[put("a", "1")]).unwrap();
    disk.edit(|state| state.sync_fails = true);
    assert_eq!(engine.apply(&[put("b", "2")]), Err(StoreError::Io));
    disk.edit(|state| state.sync_fails = false);
    assert_eq!(engine.apply(&[put("c", "3")]), Err(StoreError::Io));
    assert_eq!(engine.query(&all()), Err(StoreError::Io));
    drop(engine);
    assert_eq!(names(&mut TestDisk::with(disk.synced()).open().unwrap()), ["a"]);
}

#[test]
fn a_full_disk_at_creation_is_told_and_creation_ends_later() {
    let disk = TestDisk::default();
    disk.edit(|state| state.room = Some(100_000));
    let error = disk.open().expect_err("a store needs more than that");
    assert!(matches!(error, OpenError::Full), "{error:?}");
    disk.edit(|state| state.room = None);
    assert!(disk.open().unwrap().apply(&[put("a", "1")]).is_ok());
}
