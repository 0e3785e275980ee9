//! The only place that reads the time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use eyot_core::time::{Instant, Now, UnixTime};

/// Both clocks of one node. The monotonic one begins at zero.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: tokio::time::Instant,
}

impl Clock {
    /// Starts a clock.
    pub fn start() -> Self {
        Self { start: tokio::time::Instant::now() }
    }

    /// Reads both clocks.
    pub fn now(&self) -> Now {
        let micros = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        // A wall clock before 1970 is wrong anyway; zero is the least surprising wrong answer.
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now {
            mono: Instant::from_micros(micros),
            wall: UnixTime::from_millis(i64::try_from(wall.as_millis()).unwrap_or(i64::MAX)),
        }
    }

    /// Returns the runtime's name of `at`.
    pub fn deadline(&self, at: Instant) -> tokio::time::Instant {
        // A deadline too far to be added would be centuries away.
        self.start.checked_add(Duration::from_micros(at.as_micros())).unwrap_or_else(|| self.start + FAR)
    }
}

const FAR: Duration = Duration::from_secs(365 * 24 * 3600);
