//! What cannot be opened is told and left alone.

use bytes::Bytes;
use eyot_io_tokio::store::engine::OpenError;
use redb::{Database, StorageBackend, TableDefinition};

use super::disk::{BLOCK, Bytes2, Dice, LOG, TREE, TestDisk};
use super::{names, put};

/// Asserts that a store is refused, and not changed by it. What redb has to put in order after a kill it does put in
/// order before the log is looked at.
fn refused(bytes: &Bytes2) -> String {
    let disk = TestDisk::with(bytes.clone());
    let error = disk.open().expect_err("this is no usable store");
    let seen = disk.seen();
    assert!(seen[LOG] == bytes[LOG], "the log of the refused store was changed: {error}");
    let put_in_order = matches!(error, OpenError::Log(_));
    assert!(put_in_order || seen[TREE] == bytes[TREE], "the refused store was changed: {error}");
    let again = TestDisk::with(seen).open().expect_err("nothing was repaired");
    assert_eq!(again.to_string(), error.to_string());
    error.to_string()
}

/// A store with one row in the tree, and what is in the log, as a killed process leaves it.
fn valid_store(logged: &[&str]) -> Bytes2 {
    let disk = TestDisk::default();
    disk.open().unwrap().apply(&[put("a", "1")]).unwrap();
    if !logged.is_empty() {
        let mut engine = disk.open().unwrap();
        for name in logged {
            engine.apply(&[put(name, "2")]).unwrap();
        }
        std::mem::forget(engine);
    }
    disk.seen()
}

/// Where the groups of the first generation after the first close begin: in the other half.
fn block(number: usize) -> usize {
    (1 + 8 + number) * BLOCK
}

#[test]
fn what_is_no_store_is_refused_and_left_alone() {
    for foreign in [b"PNG".to_vec(), vec![b'x'; 10_000], vec![0; 10_000], b"SQLite format 3\0".repeat(1000)] {
        let message = refused(&[foreign.clone(), Vec::new()]);
        assert!(message.contains("not a store of eyot") && message.contains("Put back a copy"), "{message}");
        let message = refused(&[valid_store(&[])[TREE].clone(), foreign]);
        assert!(message.contains("not the log of a store"), "{message}");
    }
}

#[test]
fn a_store_of_a_later_release_is_refused_and_left_alone() {
    for file in [TREE, LOG] {
        let mut bytes = valid_store(&[]);
        bytes[file][16..20].copy_from_slice(&7_u32.to_be_bytes());
        let message = refused(&bytes);
        assert!(message.contains("has format 7, this release reads format 2"), "{message}");
    }
}

#[test]
fn a_damaged_store_is_refused_and_left_alone() {
    let store = valid_store(&[]);
    let mut no_header = store.clone();
    no_header[TREE][4096..4096 + 512].fill(0);
    let mut bad_state = store.clone();
    bad_state[TREE][20] = 9;
    let mut shortened = store.clone();
    shortened[TREE].truncate(5000);
    for bytes in [no_header, bad_state, shortened] {
        let message = refused(&bytes);
        assert!(message.contains("damaged") && message.contains("Put back a copy"), "{message}");
    }
    let mut shortened = store;
    shortened[LOG].truncate(50_000);
    assert!(refused(&shortened).contains("is cut off"));
}

#[test]
fn a_torn_end_of_the_log_is_no_damage_and_anything_before_it_is() {
    let store = valid_store(&["b", "c", "d"]);
    assert_eq!(names(&mut TestDisk::with(store.clone()).open().unwrap()), ["a", "b", "c", "d"]);
    let mut dice = Dice(1);
    for number in 0..3 {
        let mut bytes = store.clone();
        let at = block(number) + dice.below(40);
        bytes[LOG][at] ^= 1 << dice.below(8);
        if number == 2 {
            assert_eq!(names(&mut TestDisk::with(bytes).open().unwrap()), ["a", "b", "c"], "byte {at}");
        } else {
            let message = refused(&bytes);
            assert!(message.contains("is damaged at block") && message.contains("discard"), "{message}");
        }
    }
}

#[test]
fn a_log_that_is_missing_or_that_of_another_store_is_refused_unless_it_is_to_be_discarded() {
    let store = valid_store(&["b"]);
    let missing = refused(&[store[TREE].clone(), Vec::new()]);
    assert!(missing.contains("is not there") && missing.contains("Put back the log"), "{missing}");
    for word in ["discard", "discard\n"] {
        let disk = TestDisk::with([store[TREE].clone(), word.as_bytes().to_vec()]);
        assert_eq!(names(&mut disk.open().unwrap()), ["a"]);
        assert_eq!(names(&mut disk.open().unwrap()), ["a"]);
    }
    let no_store = refused(&[Vec::new(), store[LOG].clone()]);
    assert!(no_store.contains("the store is not the one"), "{no_store}");
    // The tree of an older copy, with a log that has been through several generations since.
    let disk = TestDisk::with(store.clone());
    for _ in 0..3 {
        disk.open().unwrap().apply(&[put("c", "3")]).unwrap();
    }
    let later = refused(&[store[TREE].clone(), disk.seen()[LOG].clone()]);
    assert!(later.contains("changed later"), "{later}");
    let closed = valid_store(&[]);
    let disk = TestDisk::with([closed[TREE].clone(), Vec::new()]);
    assert_eq!(names(&mut disk.open().unwrap()), ["a"], "a log that was emptied is not missed");
}

/// What redb saw of a store before it had a log.
#[derive(Debug)]
struct Behind(super::disk::TestFile);

impl StorageBackend for Behind {
    fn len(&self) -> std::io::Result<u64> {
        Ok(self.0.len()?.saturating_sub(BLOCK as u64))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.0.read(offset + BLOCK as u64, out)
    }

    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.0.set_len(len + BLOCK as u64)
    }

    fn sync_data(&self) -> std::io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.0.write(offset + BLOCK as u64, data)
    }
}

#[test]
fn a_store_that_never_had_a_log_gets_one() {
    let disk = TestDisk::default();
    disk.file(TREE).set_len(BLOCK as u64).unwrap();
    disk.file(TREE).write(0, b"eyot store\r\n\x1a\n\0\xff\0\0\0\x01\x01").unwrap();
    let db = Database::builder().create_with_backend(Behind(disk.file(TREE))).unwrap();
    let change = db.begin_write().unwrap();
    let rows = TableDefinition::<&[u8], &[u8]>::new("rows");
    change.open_table(rows).unwrap().insert(super::key("old").as_bytes(), &b"1"[..]).unwrap();
    change.commit().unwrap();
    drop(db);
    let old = disk.seen();
    for clean in [true, false] {
        let disk = TestDisk::with(old.clone());
        let mut engine = disk.open().unwrap();
        engine.apply(&[put("new", "2")]).unwrap();
        assert_eq!(names(&mut engine), ["new", "old"]);
        if clean {
            drop(engine);
        } else {
            std::mem::forget(engine);
        }
        let bytes = disk.seen();
        assert_eq!(Bytes::copy_from_slice(&bytes[TREE][16..20]), &[0, 0, 0, 2][..]);
        assert_eq!(names(&mut TestDisk::with(bytes).open().unwrap()), ["new", "old"]);
    }
    let other = refused(&[old[TREE].clone(), valid_store(&["b"])[LOG].clone()]);
    assert!(other.contains("not the one"), "{other}");
}
