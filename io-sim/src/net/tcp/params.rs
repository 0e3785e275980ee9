//! The constants of the model, with what Linux has for them.

use crate::engine::SimSpan;

/// The constants of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpParams {
    /// Payload bytes of one segment at most.
    pub segment_bytes: usize,
    /// What the reader asked for with `SO_RCVBUF`; its system takes twice as much memory.
    pub receive_buffer_bytes: usize,
    /// What the writer asked for with `SO_SNDBUF`; its system takes twice as much memory.
    pub send_buffer_bytes: usize,
    /// What may be under way, apart from what the receiver has room for.
    pub congestion: Congestion,
    /// The time-out before the first round trip was measured.
    pub rto_initial: SimSpan,
    /// What is added to the round trip at least.
    pub rto_min: SimSpan,
    /// No two retransmissions are further apart.
    pub rto_max: SimSpan,
    /// `TCP_USER_TIMEOUT`: a connection whose data is not acknowledged for so long after its first
    /// retransmission, or whose reader has no room for so long, is given up. Without it, what fifteen
    /// retransmissions come to must pass, and a reader that answers may be full for ever.
    pub user_timeout: Option<SimSpan>,
    /// `SO_KEEPALIVE`: off unless asked for, so a connection that is half open and idle stays so.
    pub keepalive: Option<Keepalive>,
}

/// How an idle connection is looked after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// It is asked after when nothing was heard for so long (`TCP_KEEPIDLE`).
    pub idle: SimSpan,
    /// It is asked again after so long (`TCP_KEEPINTVL`).
    pub every: SimSpan,
    /// It is given up after so many questions without an answer (`TCP_KEEPCNT`).
    pub count: u32,
}

/// Fifteen retransmissions, from the first one on (`tcp_retries2`).
const RETRIES_TIME: SimSpan = SimSpan::from_secs(924);

/// What may be under way, apart from what the receiver has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Congestion {
    /// Anything.
    Unlimited,
    /// A window that begins with so many segments, doubles with each round trip until something is lost,
    /// and is then cut as CUBIC cuts it.
    Window(u32),
}

impl TcpParams {
    /// What Linux does with sockets of 64 KiB.
    pub const LINUX: Self = Self {
        segment_bytes: 1_460,
        receive_buffer_bytes: 64 * 1024,
        send_buffer_bytes: 64 * 1024,
        congestion: Congestion::Window(10),
        rto_initial: SimSpan::from_secs(1),
        rto_min: SimSpan::from_millis(200),
        rto_max: SimSpan::from_secs(120),
        user_timeout: None,
        keepalive: None,
    };

    /// Returns how long after its first retransmission a connection is given up.
    pub(super) fn patience(&self) -> SimSpan {
        self.user_timeout.unwrap_or(RETRIES_TIME)
    }

    /// Payload bytes the receiver holds. A segment of 1448 bytes takes 2304 bytes of its memory, and small
    /// ones are put together when memory runs short.
    pub(super) const fn window_bytes(&self) -> u64 {
        self.receive_buffer_bytes as u64 * 2 * 1_448 / 2_304
    }

    /// Bytes the sender's system takes before the writer has to wait: payload fills its pages.
    pub const fn send_memory_bytes(&self) -> usize {
        self.send_buffer_bytes * 2
    }
}

/// When a SYN, or the answer to one, is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SynTimer {
    /// The SYN: `tcp_syn_linear_timeouts` times a second apart, then `tcp_syn_retries` times doubling.
    Ask,
    /// The answer to it: `tcp_synack_retries` times, doubling.
    Answer,
}

impl SynTimer {
    /// Returns how long the sending with this number, counted from zero, is waited upon before the next
    /// one, or before the attempt is over; nothing when there is no such sending.
    pub fn after(self, attempt: u8) -> Option<SimSpan> {
        let (linear, retries) = match self {
            Self::Ask => (4, 4 + 6),
            Self::Answer => (0, 5),
        };
        (attempt <= retries).then(|| SimSpan::from_secs(1 << attempt.saturating_sub(linear)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(timer: SynTimer) -> Vec<u64> {
        let spans = (0..).map_while(|attempt| timer.after(attempt));
        spans.map(|span| span.as_nanos() / 1_000_000_000).collect()
    }

    #[test]
    fn a_connection_that_nobody_answers_ends_after_131_seconds() {
        assert_eq!(seconds(SynTimer::Ask), [1, 1, 1, 1, 1, 2, 4, 8, 16, 32, 64]);
        // The kernel's documentation has 131 seconds as well.
        assert_eq!(seconds(SynTimer::Ask).iter().sum::<u64>(), 131);
    }

    #[test]
    fn the_answer_to_a_syn_is_repeated_five_times() {
        assert_eq!(seconds(SynTimer::Answer), [1, 2, 4, 8, 16, 32]);
    }
}
