//! One connection, one task: reads in lockstep with the node, writes what the node said, changes to TLS,
//! and tells the node of exactly one end.
//!
//! An idle connection holds no buffer: reads go through the stack, and what is to be written is gathered
//! in a buffer that lives as long as there is something in it.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::mem::{self, MaybeUninit};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use eyot_core::io::{CloseCause, ConnId, ConnKind, Input, OpId, TlsInfo};
use eyot_core::limits::Limits;
use tokio::io::{AsyncRead, AsyncWriteExt as _, ReadBuf};
use tokio::time::{Sleep, sleep, timeout};
use tokio_rustls::{client, server};

use crate::driver::{End, FromConn, Handle, Telling};
use crate::net::{NetStream, peer_addr};
use crate::outbox::{Item, Outbox, Verdict};
use crate::peer_tls::PeerTls;
use crate::tls::Tls;

/// Bytes of one read: the payload of a full TLS record.
const READ_BYTES: usize = 16 * 1024;
/// Bytes gathered for one write: they become one TLS record.
const WRITE_BYTES: usize = 16 * 1024;
/// Bytes handed to TLS before it is asked whether the operating system has taken them.
const FLUSH_BYTES: usize = 64 * 1024;
/// A full queue of 2 MiB drains in it at 70 kB/s, a screenful of stanzas over any mobile link. Shorter would
/// discard what a slow reader is about to get; longer would let one that reads nothing hold up a stop beyond
/// what supervisors wait for (systemd: 90 s).
const DRAIN_TIME: Duration = Duration::from_secs(30);

/// Bytes that may wait for another node. Core bounds what it has under way by entries and by the time in which a link that
/// takes nothing is given up; this is the last resort, and the link that it resets is made anew.
const PEER_WAITING_BYTES: usize = 64 * 1024 * 1024;

/// What all connections of a node share.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The way to the node.
    pub handle: Handle,
    /// How TLS is done.
    pub tls: Tls,
    /// What one connection may use.
    pub bounds: Bounds,
}

/// What one connection may use.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes that may wait for a slow reader ([`Limits::connection_bytes`]). The core acts at its own bounds, half of this at
    /// most; beyond this one the connection is reset.
    pub waiting_bytes: usize,
    /// Bytes accepted by the operating system that make one `Flushed`.
    pub flushed_bytes: usize,
    /// How long a TLS handshake may take.
    pub handshake_time: Duration,
    /// How long what was said before a close, and the end itself, may take to be written.
    pub drain_time: Duration,
    /// How long the peer may take to answer the end, once that is written.
    pub close_time: Duration,
}

impl Bounds {
    /// Derives the bounds of a connection from those of the node.
    pub fn new(limits: &Limits) -> Self {
        let queue = usize::try_from(limits.send_queue_bytes).unwrap_or(usize::MAX);
        Self {
            waiting_bytes: usize::try_from(limits.connection_bytes()).unwrap_or(usize::MAX),
            flushed_bytes: (queue / 8).max(1),
            handshake_time: Duration::from_micros(limits.login_time.as_micros()),
            drain_time: DRAIN_TIME,
            close_time: Duration::from_micros(limits.close_time.as_micros()),
        }
    }

    /// Returns the bounds of a connection with another node, from those of one with a client.
    #[must_use]
    pub fn of_peer(self) -> Self {
        Self { waiting_bytes: PEER_WAITING_BYTES, ..self }
    }

    /// Returns how long an orderly close takes at most, from the node's word to `Closed`.
    pub fn end_time(&self) -> Duration {
        self.drain_time.saturating_add(self.close_time)
    }
}

/// Serves a connection that this node has made, to its end.
pub async fn serve_made<S: NetStream>(stream: S, op: OpId, settings: Arc<Settings>) {
    let mut link = Link::new(settings, End::Node);
    let (conn, outbox) = (link.conn, Arc::clone(&link.outbox));
    let connected = FromConn::Connected { op, outcome: Ok((conn, outbox)) };
    if !link.settings.handle.tell(End::Node, connected).await {
        return;
    }
    let cause = link.run_made(stream).await;
    link.tell(Input::Closed { conn, cause }).await;
}

/// Serves one accepted connection to its end.
pub async fn serve<S: NetStream>(stream: S, from: SocketAddr, kind: ConnKind, settings: Arc<Settings>) {
    let mut link = Link::new(settings, kind.into());
    let (conn, outbox) = (link.conn, Arc::clone(&link.outbox));
    let opened = FromConn::Opened { conn, kind, peer: peer_addr(from), outbox };
    if !link.settings.handle.tell(link.far, opened).await {
        return;
    }
    let cause = link.run(stream, kind).await;
    link.tell(Input::Closed { conn, cause }).await;
}

struct Link {
    conn: ConnId,
    far: End,
    settings: Arc<Settings>,
    outbox: Arc<Outbox>,
    /// Taken from the outbox and not yet in `out`.
    items: VecDeque<Item>,
    /// The next write; what lies before `out_at` has been written.
    out: Vec<u8>,
    out_at: usize,
    /// Written, and possibly still in TLS's own buffer.
    unflushed: usize,
    /// Accepted by the operating system, and not told yet.
    untold: usize,
    /// The node has processed the last read.
    may_read: bool,
    /// The peer will send nothing more.
    ended: bool,
    /// A change to TLS or a close is queued: nothing more may be read before it.
    halted: bool,
    /// Runs while what was said before a close is being written.
    drain: Option<Pin<Box<Sleep>>>,
}

/// What a turn came to.
enum Turn {
    Received(Bytes),
    Flushed(u32),
    Ended,
    Over(Over),
}

/// Why the flow of bytes stops.
enum Over {
    StartTls,
    Close,
    Reset(CloseCause),
    Failed(CloseCause),
}

/// The time to drain is over, and something is not written.
struct TooSlow;

impl Link {
    fn new(settings: Arc<Settings>, far: End) -> Self {
        Self {
            conn: settings.handle.new_conn(),
            far,
            outbox: Arc::new(Outbox::new(settings.bounds.waiting_bytes)),
            settings,
            items: VecDeque::new(),
            out: Vec::new(),
            out_at: 0,
            unflushed: 0,
            untold: 0,
            may_read: false,
            ended: false,
            halted: false,
            drain: None,
        }
    }

    async fn run<S: NetStream>(&mut self, mut stream: S, kind: ConnKind) -> CloseCause {
        if kind == ConnKind::ClientStartTls {
            match self.pump(&mut stream).await {
                Over::StartTls => {}
                over @ (Over::Close | Over::Reset(_) | Over::Failed(_)) => {
                    return Box::pin(self.end(&mut stream, over)).await;
                }
            }
        }
        // On the heap and gone when done, here and below: an idle connection has no room for its beginning and its end.
        let mut stream = match Box::pin(self.accept(stream, kind)).await {
            Ok(stream) => stream,
            Err(cause) => return cause,
        };
        let over = self.pump(&mut *stream).await;
        Box::pin(self.end(&mut *stream, over)).await
    }

    async fn run_made<S: NetStream>(&mut self, stream: S) -> CloseCause {
        let mut stream = match Box::pin(self.connect(stream)).await {
            Ok(stream) => stream,
            Err(cause) => return cause,
        };
        let over = self.pump(&mut *stream).await;
        Box::pin(self.end(&mut *stream, over)).await
    }

    async fn accept<S: NetStream>(
        &mut self,
        stream: S,
        kind: ConnKind,
    ) -> Result<Box<server::TlsStream<S>>, CloseCause> {
        let settings = Arc::clone(&self.settings);
        let handshake = settings.tls.accept(stream, kind);
        self.secure(handshake, |stream| settings.tls.info(stream.get_ref().1, kind)).await
    }

    async fn connect<S: NetStream>(&mut self, stream: S) -> Result<Box<client::TlsStream<S>>, CloseCause> {
        let settings = Arc::clone(&self.settings);
        let handshake = settings.tls.connect(stream);
        self.secure(handshake, |stream| PeerTls::info(stream.get_ref().1)).await
    }

    /// Moves bytes in both directions until something else has to be done.
    async fn pump<T: NetStream>(&mut self, io: &mut T) -> Over {
        loop {
            let conn = self.conn;
            let input = match poll_fn(|cx| self.poll_turn(io, cx)).await {
                Turn::Received(bytes) => Input::Received { conn, bytes },
                Turn::Flushed(bytes) => Input::Flushed { conn, bytes },
                Turn::Ended => Input::Ended { conn },
                Turn::Over(over) => return over,
            };
            if !self.tell(input).await {
                return Over::Reset(CloseCause::Closed);
            }
        }
    }

    fn poll_turn<T: NetStream>(&mut self, io: &mut T, cx: &mut Context<'_>) -> Poll<Turn> {
        if let Err(verdict) = self.take(cx) {
            return Poll::Ready(Turn::Over(Over::Reset(cause_of_verdict(verdict))));
        }
        if let Some(drain) = &mut self.drain
            && drain.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Turn::Over(Over::Reset(CloseCause::TimedOut)));
        }
        if let Poll::Ready(turn) = self.poll_write(io, cx) {
            return Poll::Ready(turn);
        }
        self.poll_read(io, cx)
    }

    /// Takes what the node has said since the last turn.
    fn take(&mut self, cx: &Context<'_>) -> Result<(), Verdict> {
        let known = self.items.len();
        self.may_read |= self.outbox.take(cx, &mut self.items)?;
        for item in self.items.range(known..) {
            match item {
                Item::Bytes(_) => {}
                Item::StartTls => self.halted = true,
                Item::Close => {
                    self.halted = true;
                    self.drain = Some(Box::pin(sleep(self.settings.bounds.drain_time)));
                }
            }
        }
        Ok(())
    }

    /// Writes until the socket takes no more (pending) or nothing is left to write (pending, too: there is
    /// nothing to tell).
    fn poll_write<T: NetStream>(&mut self, io: &mut T, cx: &mut Context<'_>) -> Poll<Turn> {
        loop {
            self.gather();
            let rest = self.out.get(self.out_at..).unwrap_or_default();
            if !rest.is_empty() && self.unflushed < FLUSH_BYTES {
                match ready!(Pin::new(&mut *io).poll_write(cx, rest)) {
                    Ok(0) => return failed(CloseCause::Reset),
                    Ok(written) => self.written(written),
                    Err(error) => return failed(cause_of(&error)),
                }
            } else if self.unflushed > 0 {
                if let Err(error) = ready!(Pin::new(&mut *io).poll_flush(cx)) {
                    return failed(cause_of(&error));
                }
                if let Some(turn) = self.flushed() {
                    return Poll::Ready(turn);
                }
            } else {
                return self.next_mark();
            }
        }
    }

    /// Fills the empty output buffer from the queue, up to the next change of state.
    fn gather(&mut self) {
        if self.out_at < self.out.len() {
            return;
        }
        self.out.clear();
        self.out_at = 0;
        while self.out.len() < WRITE_BYTES
            && let Some(Item::Bytes(bytes)) = self.items.front_mut()
        {
            let take = bytes.len().min(WRITE_BYTES - self.out.len());
            self.out.extend_from_slice(bytes.get(..take).unwrap_or_default());
            bytes.advance(take);
            if bytes.is_empty() {
                self.items.pop_front();
            }
        }
        if self.out.is_empty() {
            self.out = Vec::new();
        }
        if self.items.is_empty() {
            self.items = VecDeque::new();
        }
    }

    fn written(&mut self, bytes: usize) {
        self.out_at += bytes;
        self.unflushed += bytes;
    }

    fn flushed(&mut self) -> Option<Turn> {
        let bytes = mem::take(&mut self.unflushed);
        self.outbox.accepted(bytes);
        self.untold += bytes;
        if self.untold < self.settings.bounds.flushed_bytes {
            return None;
        }
        let told = u32::try_from(self.untold).unwrap_or(u32::MAX);
        self.untold -= usize::try_from(told).unwrap_or(self.untold);
        Some(Turn::Flushed(told))
    }

    /// All bytes before the mark are out: does what it says.
    fn next_mark(&mut self) -> Poll<Turn> {
        let over = match self.items.pop_front() {
            Some(Item::StartTls) => Over::StartTls,
            Some(Item::Close) => Over::Close,
            Some(Item::Bytes(bytes)) => {
                self.items.push_front(Item::Bytes(bytes));
                return Poll::Pending;
            }
            None => return Poll::Pending,
        };
        Poll::Ready(Turn::Over(over))
    }

    fn poll_read<T: NetStream>(&mut self, io: &mut T, cx: &mut Context<'_>) -> Poll<Turn> {
        if !self.may_read || self.ended || self.halted {
            return Poll::Pending;
        }
        let mut space = [const { MaybeUninit::uninit() }; READ_BYTES];
        let mut buf = ReadBuf::uninit(&mut space);
        match ready!(Pin::new(io).poll_read(cx, &mut buf)) {
            Ok(()) if !buf.filled().is_empty() => {
                self.may_read = false;
                Poll::Ready(Turn::Received(Bytes::copy_from_slice(buf.filled())))
            }
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => failed(cause_of(&error)),
            // A FIN without close-notify. XMPP says itself where its stream ends, so nothing is lost by it.
            Ok(()) | Err(_) => {
                self.ended = true;
                Poll::Ready(Turn::Ended)
            }
        }
    }

    /// Does a handshake and tells the node what TLS knows.
    async fn secure<T>(
        &mut self,
        handshake: impl Future<Output = io::Result<T>>,
        known: impl FnOnce(&T) -> TlsInfo,
    ) -> Result<Box<T>, CloseCause> {
        let outbox = Arc::clone(&self.outbox);
        let done = tokio::select! {
            biased;
            () = poll_fn(|cx| outbox.poll_closing(cx)) => return Err(CloseCause::Closed),
            done = timeout(self.settings.bounds.handshake_time, handshake) => done,
        };
        let stream = match done {
            Ok(Ok(stream)) => Box::new(stream),
            Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => return Err(CloseCause::Tls),
            Ok(Err(_)) => return Err(CloseCause::Reset),
            Err(_) => return Err(CloseCause::TimedOut),
        };
        let tls = known(&stream);
        self.halted = false;
        if !self.tell(Input::Secured { conn: self.conn, tls }).await {
            return Err(CloseCause::Closed);
        }
        Ok(stream)
    }

    /// Ends the connection as `over` asks and says how that went.
    async fn end<T: NetStream>(&mut self, io: &mut T, over: Over) -> CloseCause {
        match over {
            Over::Failed(cause) => cause,
            Over::Reset(cause) => {
                io.reset_on_drop();
                cause
            }
            Over::Close => {
                let outbox = Arc::clone(&self.outbox);
                let cause = tokio::select! {
                    biased;
                    ended = self.close(io) => match ended {
                        Ok(cause) => return cause,
                        Err(TooSlow) => CloseCause::TimedOut,
                    },
                    verdict = poll_fn(|cx| outbox.poll_verdict(cx)) => cause_of_verdict(verdict),
                };
                io.reset_on_drop();
                cause
            }
            Over::StartTls => {
                debug_assert!(
                    false,
                    "the core asks for TLS at most once, and not on a direct TLS connection"
                );
                io.reset_on_drop();
                CloseCause::Tls
            }
        }
    }

    /// Sends the end (close-notify, FIN) and drops what still comes until the peer's.
    ///
    /// A peer that does not answer in time costs no byte: the operating system has all of them and goes on
    /// delivering, for as long as it waits for an acknowledgement.
    async fn close<T: NetStream>(&mut self, io: &mut T) -> Result<CloseCause, TooSlow> {
        let bounds = self.settings.bounds;
        let drain = self.drain.get_or_insert_with(|| Box::pin(sleep(bounds.drain_time)));
        let sent = tokio::select! {
            biased;
            sent = io.shutdown() => sent,
            () = drain => return Err(TooSlow),
        };
        if let Err(error) = sent {
            return Ok(cause_of(&error));
        }
        self.drain = None;
        let answer = Box::pin(timeout(bounds.close_time, poll_fn(|cx| poll_discard(io, cx))));
        Ok(match answer.await {
            Ok(Ok(())) => CloseCause::Closed,
            Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => CloseCause::Closed,
            Ok(Err(error)) => cause_of(&error),
            Err(_) => CloseCause::TimedOut,
        })
    }

    fn tell(&self, input: Input) -> Telling {
        self.settings.handle.tell(self.far, FromConn::Input { conn: self.conn, input })
    }
}

fn poll_discard<T: AsyncRead + Unpin>(io: &mut T, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    let mut space = [const { MaybeUninit::uninit() }; READ_BYTES];
    loop {
        let mut buf = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut *io).poll_read(cx, &mut buf))?;
        if buf.filled().is_empty() {
            return Poll::Ready(Ok(()));
        }
    }
}

fn failed(cause: CloseCause) -> Poll<Turn> {
    Poll::Ready(Turn::Over(Over::Failed(cause)))
}

fn cause_of(error: &io::Error) -> CloseCause {
    if error.kind() == io::ErrorKind::InvalidData {
        CloseCause::Tls
    } else if error.kind() == io::ErrorKind::TimedOut {
        CloseCause::TimedOut
    } else {
        CloseCause::Reset
    }
}

const fn cause_of_verdict(verdict: Verdict) -> CloseCause {
    match verdict {
        Verdict::Abort => CloseCause::Closed,
        Verdict::Overflow => CloseCause::Reset,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use eyot_core::io::CloseHow;
    use tokio::io::{AsyncReadExt as _, AsyncWrite, DuplexStream, duplex};
    use tokio::time::advance;

    use super::*;
    use crate::driver::lanes;
    use crate::tls::self_signed;

    /// What a pipe holds while nobody reads.
    const PIPE_BYTES: usize = 1024 * 1024;

    /// What a pipe has seen.
    #[derive(Debug, Default)]
    struct Seen {
        /// How large each write was.
        writes: Vec<usize>,
        /// Whether the end was to be a reset.
        reset: bool,
    }

    /// One end of a pipe that notes what is done to it.
    struct Pipe(DuplexStream, Arc<Mutex<Seen>>);

    impl AsyncRead for Pipe {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_read(cx, buf)
        }
    }

    impl AsyncWrite for Pipe {
        fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            self.1.lock().unwrap().writes.push(buf.len());
            Pin::new(&mut self.0).poll_write(cx, buf)
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(cx)
        }
    }

    impl NetStream for Pipe {
        fn reset_on_drop(&self) {
            self.1.lock().unwrap().reset = true;
        }
    }

    /// A connection whose node is the test.
    struct Bench {
        lanes: crate::driver::Lanes,
        peer: DuplexStream,
        outbox: Arc<Outbox>,
        seen: Arc<Mutex<Seen>>,
    }

    fn settings() -> (Arc<Settings>, crate::driver::Lanes) {
        let made = self_signed(&["localhost".into()]).unwrap();
        let tls = Tls::from_pem(made.certificate.as_bytes(), made.key.as_bytes()).unwrap();
        let (handle, lanes) = lanes();
        (Arc::new(Settings { handle, tls, bounds: Bounds::new(&Limits::default()) }), lanes)
    }

    async fn bench() -> Bench {
        let (settings, mut lanes) = settings();
        let (peer, end) = duplex(PIPE_BYTES);
        let seen = Arc::new(Mutex::new(Seen::default()));
        let from = "127.0.0.1:1".parse().unwrap();
        tokio::spawn(serve(Pipe(end, Arc::clone(&seen)), from, ConnKind::ClientStartTls, settings));
        let Some(FromConn::Opened { outbox, .. }) = lanes.recv_client().await else { panic!("not opened") };
        Bench { lanes, peer, outbox, seen }
    }

    /// Lets every task run until it waits: there is one thread, and nothing here waits for time.
    async fn settle() {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    #[test]
    fn a_connection_takes_all_that_waits_for_a_session_that_is_resumed_whichever_bound_is_larger() {
        let defaults = Limits::default();
        for limits in [
            Limits { send_queue_bytes: 512 * 1024, ..defaults.clone() },
            Limits { unacked_bytes: 32 * 1024 * 1024, ..defaults.clone() },
            defaults,
        ] {
            let outbox = Outbox::new(Bounds::new(&limits).waiting_bytes);
            let waits = limits.unacked_bytes as usize + limits.stanza_bytes as usize;
            outbox.send(Bytes::from_static(b"<resumed/>"), Bytes::from(vec![b'x'; waits]));
            let cx = Context::from_waker(std::task::Waker::noop());
            assert!(outbox.poll_verdict(&cx).is_pending(), "{limits:?}");
        }
    }

    #[tokio::test]
    async fn nothing_more_is_read_before_the_node_has_processed_the_last_read() {
        let mut bench = bench().await;
        bench.peer.write_all(&vec![b'x'; 3 * READ_BYTES]).await.unwrap();
        for _ in 0..3 {
            settle().await;
            let first = bench.lanes.try_recv_client();
            assert!(matches!(
                first,
                Some(FromConn::Input { input: Input::Received { bytes, .. }, .. }) if bytes.len() == READ_BYTES
            ));
            assert!(bench.lanes.try_recv_client().is_none(), "read ahead of the node");
            bench.outbox.permit_read();
            bench.outbox.end_turn();
        }
    }

    #[tokio::test]
    async fn what_follows_starttls_is_left_to_tls() {
        let mut bench = bench().await;
        bench.peer.write_all(b"starttls").await.unwrap();
        settle().await;
        assert!(bench.lanes.try_recv_client().is_some());
        bench.peer.write_all(b"plaintext that must not be believed").await.unwrap();
        bench.outbox.start_tls();
        bench.outbox.permit_read();
        bench.outbox.end_turn();
        settle().await;
        let next = bench.lanes.try_recv_client();
        assert!(matches!(
            next,
            Some(FromConn::Input { input: Input::Closed { cause: CloseCause::Tls, .. }, .. })
        ));
    }

    #[tokio::test]
    async fn a_burst_becomes_few_full_writes() {
        let mut bench = bench().await;
        let body = Bytes::from(vec![b'b'; 250]);
        for _ in 0..1000 {
            bench.outbox.send(Bytes::from_static(b"head of one stanza"), body.clone());
        }
        bench.outbox.close(CloseHow::Graceful);
        bench.outbox.end_turn();
        let mut all = Vec::new();
        bench.peer.read_to_end(&mut all).await.unwrap();
        assert_eq!(all.len(), 268_000);
        let writes = bench.seen.lock().unwrap().writes.clone();
        assert_eq!(writes.len(), 268_000_usize.div_ceil(WRITE_BYTES), "{writes:?}");
    }

    /// Says twice what the pipe holds, then closes; nobody reads yet.
    async fn slow_close() -> Bench {
        let bench = bench().await;
        bench.outbox.send(Bytes::from(vec![b'x'; 2 * PIPE_BYTES]), Bytes::new());
        bench.outbox.close(CloseHow::Graceful);
        bench.outbox.end_turn();
        settle().await;
        bench
    }

    /// Why the connection ended; none while it has not.
    fn closed(bench: &mut Bench) -> Option<CloseCause> {
        while let Some(message) = bench.lanes.try_recv_client() {
            if let FromConn::Input { input: Input::Closed { cause, .. }, .. } = message {
                return Some(cause);
            }
        }
        None
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_to_close_begins_when_everything_is_written() {
        let mut bench = slow_close().await;
        let close_time = Bounds::new(&Limits::default()).close_time;
        advance(close_time * 3).await;
        settle().await;
        assert_eq!(closed(&mut bench), None, "a slow link is no peer that does not close");
        let mut all = Vec::new();
        bench.peer.read_to_end(&mut all).await.unwrap();
        assert_eq!(all.len(), 2 * PIPE_BYTES);
        advance(close_time / 2).await;
        settle().await;
        assert_eq!(closed(&mut bench), None);
        advance(close_time).await;
        settle().await;
        assert_eq!(closed(&mut bench), Some(CloseCause::TimedOut));
        assert!(!bench.seen.lock().unwrap().reset, "a reset discards what the peer has not read");
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_takes_nothing_is_reset_when_the_time_to_drain_is_over() {
        let mut bench = slow_close().await;
        advance(Bounds::new(&Limits::default()).drain_time).await;
        settle().await;
        assert_eq!(closed(&mut bench), Some(CloseCause::TimedOut));
        assert!(bench.seen.lock().unwrap().reset);
    }

    #[test]
    fn the_task_of_a_connection_is_small() {
        let (settings, _lanes) = settings();
        let from = "127.0.0.1:1".parse().unwrap();
        let (_, end) = duplex(1);
        let task = serve(Pipe(end, Arc::default()), from, ConnKind::ClientDirectTls, settings);
        assert!(size_of_val(&task) <= 384, "{} bytes", size_of_val(&task));
    }
}
