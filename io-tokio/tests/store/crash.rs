//! Kills and power cuts at every step lose nothing that was acknowledged and leave nothing half.

use eyot_core::store::{Rows, StoreBatch};
use eyot_io_tokio::store::engine::{Engine, Pace};

use super::disk::{Dice, TestDisk};
use super::{all, key, put};

/// Changes that fill both halves of the log, go through it and around it, and undo each other.
fn story() -> Vec<StoreBatch> {
    let mut story = Vec::new();
    for round in 0..4 {
        story.push(put("a", &format!("a{round}")).put(key("q"), "queued"));
        story.push(put("b", &"b".repeat(5000)).delete(key("q")));
        story.push(put(&format!("c{round}"), "c").put(key("d"), "d"));
        story.push(StoreBatch::new().delete_range(key("c"), key("c2")).put(key("c1"), "again"));
        story.push(put("e", &"e".repeat(9000 * round)).delete(key("d")));
    }
    story.insert(13, put("f", &"f".repeat(40_000)));
    story
}

/// Tells the story until the disk is cut off; returns how much of it was acknowledged.
fn tell(disk: &TestDisk, story: &[StoreBatch]) -> usize {
    let Ok(mut engine) = disk.open() else { return 0 };
    let mut told = 0;
    for batch in story {
        if engine.apply(std::slice::from_ref(batch)).is_err() {
            break;
        }
        told += 1;
        engine.checkpoint(if told % 3 == 0 { Pace::Idle } else { Pace::Busy });
        if told == 9 {
            // In the middle it is closed and opened again.
            drop(engine);
            match disk.open() {
                Ok(again) => engine = again,
                Err(_) => return told,
            }
        }
    }
    told
}

fn content(engine: &mut Engine) -> Vec<(String, usize)> {
    let rows = engine.query(&all()).unwrap();
    rows.iter().map(|row| (row.key.parts().last().unwrap().to_owned(), row.value.len())).collect()
}

/// Returns what is there after each first part of the story.
fn states(story: &[StoreBatch]) -> Vec<Rows> {
    let mut rows = Rows::new();
    let mut states = vec![rows.clone()];
    for batch in story {
        rows.apply(batch);
        states.push(rows.clone());
    }
    states
}

/// Asserts that what is on the disk is what was acknowledged, or one change more, and goes on being so when the next
/// start is cut off, too.
fn check_survivors(disk: &TestDisk, states: &[Rows], acknowledged: usize, fuse: usize) {
    disk.edit(|state| state.fuse = Some(fuse % 17));
    drop(disk.open());
    for bytes in [disk.seen(), disk.torn(fuse as u64)] {
        let disk = TestDisk::with(bytes);
        let mut engine = disk.open().unwrap_or_else(|error| panic!("fuse {fuse}: {error}"));
        let found = engine.query(&all()).unwrap();
        let fits = states[acknowledged..].iter().take(2).any(|state| state.query(&all()) == found);
        assert!(fits, "fuse {fuse}: {acknowledged} acknowledged, found {:?}", content(&mut engine));
        engine.apply(&[put("z", "goes on")]).unwrap();
        drop(engine);
        let again = disk.open().unwrap().query(&all()).unwrap();
        assert_eq!(again.len(), found.len() + 1, "fuse {fuse}");
    }
}

#[test]
fn a_kill_or_a_power_cut_at_any_moment_loses_nothing_that_was_acknowledged() {
    let story = story();
    let states = states(&story);
    let mut fuse = 0;
    loop {
        let disk = TestDisk::default();
        disk.edit(|state| state.fuse = Some(fuse));
        let acknowledged = tell(&disk, &story);
        let ended = disk.edit(|state| state.fuse != Some(0));
        for bytes in [disk.seen(), disk.synced(), disk.torn(fuse as u64)] {
            check_survivors(&TestDisk::with(bytes), &states, acknowledged, fuse);
        }
        if ended {
            assert_eq!(acknowledged, story.len());
            break;
        }
        fuse += 1;
    }
    assert!(fuse > 200, "the disk was cut {fuse} times only: the test tests nothing");
}

#[test]
fn a_write_that_fails_halfway_leaves_nothing_of_its_group() {
    let story = story();
    let mut failed = 0;
    for fault in (0..300).step_by(2) {
        let disk = TestDisk::default();
        let Ok(mut engine) = disk.open() else { panic!("the disk is well") };
        disk.edit(|state| state.fault = Some(fault));
        let mut rows = Rows::new();
        for batch in &story {
            match engine.apply(std::slice::from_ref(batch)) {
                Ok(()) => rows.apply(batch),
                Err(_) => failed += 1,
            }
            engine.checkpoint(Pace::Busy);
            assert_eq!(engine.query(&all()), Ok(rows.query(&all())), "fault {fault}");
        }
        let killed = TestDisk::with(disk.seen()).open().unwrap().query(&all());
        assert_eq!(killed, Ok(rows.query(&all())), "fault {fault}");
        drop(engine);
        disk.edit(|state| state.fault = None);
        assert_eq!(disk.open().unwrap().query(&all()), Ok(rows.query(&all())), "fault {fault}");
    }
    assert!(failed > 10, "{failed} changes failed only");
}

#[test]
fn whatever_is_asked_of_whatever_was_said_is_answered_as_from_memory() {
    use super::{StoreQuery, same_as};
    for seed in 0..6 {
        let (mut dice, disk, mut rows) = (Dice(seed), TestDisk::default(), Rows::new());
        let mut engine = disk.open().unwrap();
        for _ in 0..300 {
            let mut name = || ["a", "b", "c", "d", "e"][dice.below(5)];
            let (one, two) = (key(name()), key(name()));
            let size = dice.below(3000);
            let batch = match dice.below(6) {
                0 => StoreBatch::new().delete(one),
                1 => StoreBatch::new().delete_range(one, two),
                2 => StoreBatch::new().put(one.clone(), "1").delete_range(one, two.clone()).put(two, "2"),
                _ => StoreBatch::new().put(one, vec![b'x'; size]),
            };
            rows.apply(&batch);
            engine.apply(&[batch]).unwrap();
            match dice.below(12) {
                0 => {
                    drop(engine);
                    engine = disk.open().unwrap();
                }
                1 => {
                    std::mem::forget(engine);
                    engine = TestDisk::with(disk.seen()).open().unwrap();
                    let query = StoreQuery::Get { key: key("a") };
                    assert_eq!(engine.query(&query), Ok(rows.query(&query)));
                    std::mem::forget(engine);
                    engine = disk.open().unwrap();
                }
                2..6 => drop(engine.checkpoint(Pace::Idle)),
                _ => drop(engine.checkpoint(Pace::Busy)),
            }
            same_as(&rows, &mut engine);
        }
    }
}
