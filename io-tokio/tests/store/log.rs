//! What the log is for: one sync a group, and nothing in the tree that did not stay.

use eyot_core::store::{StoreBatch, StoreError, StoreQuery};
use eyot_io_tokio::store::engine::Pace;

use super::disk::{LOG, TREE, TestDisk};
use super::{key, names, put};

#[test]
fn what_is_removed_before_the_checkpoint_never_reaches_the_tree() {
    let disk = TestDisk::default();
    let mut engine = disk.open().unwrap();
    engine.apply(&[put("queue", "brief content").put(key("stays"), "lasting content")]).unwrap();
    engine.apply(&[StoreBatch::new().delete(key("queue"))]).unwrap();
    drop(engine);
    let seen = disk.seen();
    let has =
        |file: usize, text: &str| seen[file].windows(text.len()).any(|window| window == text.as_bytes());
    assert!(has(TREE, "lasting content") && has(LOG, "brief content"));
    assert!(!has(TREE, "brief content"));
}

#[test]
fn a_checkpoint_goes_on_while_nobody_waits_and_ends() {
    let disk = TestDisk::default();
    let mut engine = disk.open().unwrap();
    assert!(!engine.checkpoint(Pace::Idle), "there is nothing to do");
    for number in 0..9 {
        engine.apply(&[put(&format!("a{number}"), &"x".repeat(300))]).unwrap();
    }
    let before = disk.seen()[TREE].clone();
    assert!(!engine.checkpoint(Pace::Busy), "one slice is enough");
    assert_ne!(
        disk.seen()[TREE],
        before,
        "eight groups fill a half, the ninth takes the other: what it held is brought into the tree"
    );
    assert_eq!(names(&mut engine).len(), 9);
}

#[test]
fn a_large_range_is_removed_in_slices_and_seen_as_removed_at_once() {
    let disk = TestDisk::default();
    let mut engine = disk.open().unwrap();
    let many =
        (0..4000).fold(StoreBatch::new(), |batch, number| batch.put(key(&format!("r{number:04}")), "x"));
    engine.apply(&[many.put(key("a"), "1").put(key("z"), "2")]).unwrap();
    engine.apply(&[StoreBatch::new().delete_range(key("r"), key("s"))]).unwrap();
    for _ in 0..8 {
        assert_eq!(names(&mut engine), ["a", "z"]);
        engine.apply(&[put("a", "3")]).unwrap();
    }
    let mut slices = 1;
    while engine.checkpoint(Pace::Idle) {
        slices += 1;
        assert_eq!(names(&mut engine), ["a", "z"]);
        let killed = TestDisk::with(disk.seen());
        assert_eq!(names(&mut killed.open().unwrap()), ["a", "z"], "killed after slice {slices}");
    }
    assert!(slices >= 3, "{slices} slices for 4000 rows");
    assert_eq!(names(&mut engine), ["a", "z"]);
}

#[test]
fn a_full_disk_takes_what_the_log_has_room_for_and_no_removals_beyond_that() {
    let disk = TestDisk::default();
    let mut engine = disk.open().unwrap();
    engine.apply(&[put("a", "kept")]).unwrap();
    disk.edit(|state| state.room = Some(state.seen[TREE].len()));
    let mut kept = vec!["a".to_owned()];
    let refused = loop {
        let name = format!("b{:03}", kept.len());
        match engine.apply(&[put(&name, &"x".repeat(20_000))]) {
            Ok(()) => kept.push(name),
            Err(error) => break error,
        }
        engine.checkpoint(Pace::Busy);
    };
    assert_eq!(refused, StoreError::Full);
    assert_eq!(names(&mut engine), kept);
    let removal = StoreBatch::new().delete(key(kept.last().unwrap()));
    while engine.apply(&[put("a", "kept")]).is_ok() {}
    assert_eq!(engine.apply(std::slice::from_ref(&removal)), Err(StoreError::Full));
    assert_eq!(names(&mut engine), kept);
    assert_eq!(names(&mut TestDisk::with(disk.seen()).open().unwrap()), kept);
    disk.edit(|state| state.room = None);
    engine.apply(&[removal]).unwrap();
    kept.pop();
    engine.apply(&[put("c", &"x".repeat(20_000))]).unwrap();
    drop(engine);
    kept.push("c".into());
    assert_eq!(names(&mut disk.open().unwrap()), kept);
}

#[test]
fn a_failed_sync_of_either_file_ends_all_answers() {
    for groups in [0, 8] {
        let disk = TestDisk::default();
        let mut engine = disk.open().unwrap();
        for _ in 0..=groups {
            engine.apply(&[put("a", "1")]).unwrap();
        }
        disk.edit(|state| state.sync_fails = true);
        engine.checkpoint(Pace::Idle);
        assert!(groups == 8 || engine.apply(&[put("b", "2")]).is_err());
        disk.edit(|state| state.sync_fails = false);
        assert_eq!(engine.apply(&[put("c", "3")]), Err(StoreError::Io));
        assert_eq!(engine.query(&StoreQuery::Get { key: key("a") }), Err(StoreError::Io));
        drop(engine);
        assert_eq!(names(&mut TestDisk::with(disk.synced()).open().unwrap()), ["a"]);
    }
}
