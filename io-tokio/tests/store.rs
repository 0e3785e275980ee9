//! The store: what was acknowledged is there after any crash, and what is not ours is left alone.

#![expect(
    clippy::unwrap_used,
    clippy::unwrap_in_result,
    reason = "a helper of a test fails as the test does"
)]

use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use eyot_core::store::{Key, Row, Rows, StoreBatch, StoreError, StoreQuery, Table};
use eyot_io_tokio::store::engine::{Engine, OpenError};
use redb::StorageBackend;

/// A disk in memory that can be full, broken, cut off, and looked at.
#[derive(Clone, Debug, Default)]
struct TestDisk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// What the system shows.
    seen: Vec<u8>,
    /// What survives a power cut.
    synced: Vec<u8>,
    room: Option<usize>,
    sync_fails: bool,
    /// Changes that still work; none after that.
    fuse: Option<usize>,
}

impl TestDisk {
    fn with(bytes: Vec<u8>) -> Self {
        let disk = Self::default();
        disk.edit(|state| {
            state.seen.clone_from(&bytes);
            state.synced = bytes;
        });
        disk
    }

    fn edit<T>(&self, edit: impl FnOnce(&mut State) -> T) -> T {
        edit(&mut self.0.lock().unwrap())
    }

    fn change(&self, change: impl FnOnce(&mut State) -> io::Result<()>) -> io::Result<()> {
        self.edit(|state| {
            match &mut state.fuse {
                Some(0) => return Err(io::Error::other("cut off")),
                Some(left) => *left -= 1,
                None => {}
            }
            change(state)
        })
    }
}

impl StorageBackend for TestDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.edit(|state| state.seen.len() as u64))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let from = usize::try_from(offset).unwrap();
        self.edit(|state| {
            let bytes = state.seen.get(from..from + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
            out.copy_from_slice(bytes);
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).unwrap();
        self.change(|state| {
            if state.room.is_some_and(|room| len > room) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            state.seen.resize(len, 0);
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.change(|state| {
            if state.sync_fails {
                return Err(io::Error::other("the device is gone"));
            }
            state.synced.clone_from(&state.seen);
            Ok(())
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let from = usize::try_from(offset).unwrap();
        self.change(|state| {
            let to = from + data.len();
            state.seen.get_mut(from..to).ok_or(io::ErrorKind::UnexpectedEof)?.copy_from_slice(data);
            Ok(())
        })
    }
}

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
    let mut engine = Engine::open(disk.clone()).unwrap();
    engine.apply(&[put("bob", "1"), put("alice", "2"), put("bob", "3")]).unwrap();
    engine.apply(&[StoreBatch::new().delete(key("alice")).delete(key("nobody"))]).unwrap();
    drop(engine);
    let mut engine = Engine::open(disk).unwrap();
    let rows = engine.query(&StoreQuery::Get { key: key("bob") }).unwrap();
    assert_eq!(rows, [Row { key: key("bob"), value: Bytes::from_static(b"3") }]);
    assert_eq!(engine.query(&StoreQuery::Get { key: key("alice") }), Ok(Vec::new()));
}

#[test]
fn a_range_is_half_open_ordered_and_limited() {
    let mut engine = Engine::open(TestDisk::default()).unwrap();
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
    let (mut rows, mut engine) = (Rows::new(), Engine::open(TestDisk::default()).unwrap());
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

/// Opens a store and writes `a`, `b`, ... until the disk is cut off after `fuse` changes; returns how many writes
/// were acknowledged.
fn run_until_cut(disk: &TestDisk, fuse: usize) -> usize {
    disk.edit(|state| state.fuse = Some(fuse));
    let Ok(mut engine) = Engine::open(disk.clone()) else { return 0 };
    let writes = ["a", "b", "c", "d", "e"];
    writes.iter().take_while(|name| engine.apply(&[put(name, &"x".repeat(3000))]).is_ok()).count()
}

fn check_survivors(bytes: Vec<u8>, acknowledged: usize, fuse: usize) {
    let mut engine =
        Engine::open(TestDisk::with(bytes)).unwrap_or_else(|error| panic!("fuse {fuse}: {error}"));
    let found = names(&mut engine);
    let expected = ["a", "b", "c", "d", "e"];
    assert!(
        found.len() >= acknowledged && found.len() <= acknowledged + 1,
        "fuse {fuse}: {acknowledged} acknowledged, {found:?} found"
    );
    assert!(found.iter().zip(expected).all(|(found, expected)| found == expected));
}

#[test]
fn a_kill_or_a_power_cut_at_any_moment_loses_nothing_that_was_acknowledged() {
    let mut fuse = 0;
    loop {
        let disk = TestDisk::default();
        let acknowledged = run_until_cut(&disk, fuse);
        let (seen, synced) = disk.edit(|state| (state.seen.clone(), state.synced.clone()));
        check_survivors(seen, acknowledged, fuse);
        check_survivors(synced, acknowledged, fuse);
        if acknowledged == 5 {
            break;
        }
        fuse += 1;
    }
    assert!(fuse > 20, "the disk was cut {fuse} times only: the test tests nothing");
}

#[test]
fn a_full_disk_is_told_and_left_when_there_is_room_again() {
    let disk = TestDisk::default();
    let mut engine = Engine::open(disk.clone()).unwrap();
    engine.apply(&[put("a", "kept")]).unwrap();
    disk.edit(|state| state.room = Some(state.seen.len()));
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
    let mut engine = Engine::open(disk.clone()).unwrap();
    engine.apply(&[put("a", "1")]).unwrap();
    disk.edit(|state| state.sync_fails = true);
    assert_eq!(engine.apply(&[put("b", "2")]), Err(StoreError::Io));
    disk.edit(|state| state.sync_fails = false);
    assert_eq!(engine.apply(&[put("c", "3")]), Err(StoreError::Io));
    assert_eq!(engine.query(&all()), Err(StoreError::Io));
    drop(engine);
    let synced = disk.edit(|state| state.synced.clone());
    assert_eq!(names(&mut Engine::open(TestDisk::with(synced)).unwrap()), ["a"]);
}

/// Asserts that `bytes` are refused, and not changed by it.
fn refused(bytes: &[u8]) -> String {
    let disk = TestDisk::with(bytes.to_vec());
    let error = Engine::open(disk.clone()).expect_err("this is no usable store");
    assert!(disk.edit(|state| state.seen == bytes), "the refused store was changed: {error}");
    error.to_string()
}

fn valid_store() -> Vec<u8> {
    let disk = TestDisk::default();
    Engine::open(disk.clone()).unwrap().apply(&[put("a", "1")]).unwrap();
    disk.edit(|state| state.seen.clone())
}

#[test]
fn what_is_no_store_is_refused_and_left_alone() {
    for foreign in [b"PNG".to_vec(), vec![b'x'; 10_000], vec![0; 10_000], b"SQLite format 3\0".repeat(1000)] {
        let message = refused(&foreign);
        assert!(message.contains("not a store of eyot") && message.contains("Put back a copy"), "{message}");
    }
}

#[test]
fn a_store_of_a_later_release_is_refused_and_left_alone() {
    let mut bytes = valid_store();
    bytes[16..20].copy_from_slice(&7_u32.to_be_bytes());
    let message = refused(&bytes);
    assert!(message.contains("has format 7, this release reads format 1"), "{message}");
}

#[test]
fn a_damaged_store_is_refused_and_left_alone() {
    let store = valid_store();
    let mut no_header = store.clone();
    no_header[4096..4096 + 512].fill(0);
    let mut bad_state = store.clone();
    bad_state[20] = 9;
    let shortened = store[..5000].to_vec();
    for bytes in [no_header, bad_state, shortened] {
        let message = refused(&bytes);
        assert!(message.contains("damaged") && message.contains("Put back a copy"), "{message}");
    }
}

#[test]
fn a_full_disk_at_creation_is_told_and_creation_ends_later() {
    let disk = TestDisk::default();
    disk.edit(|state| state.room = Some(100_000));
    let error = Engine::open(disk.clone()).expect_err("a store needs more than that");
    assert!(matches!(error, OpenError::Full), "{error:?}");
    disk.edit(|state| state.room = None);
    assert!(Engine::open(disk).unwrap().apply(&[put("a", "1")]).is_ok());
}
