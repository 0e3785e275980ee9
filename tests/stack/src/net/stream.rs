//! One end of a connection as the driver and the clients see it.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use eyot_io_tokio::net::NetStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::SimNet;
use super::wire::{Side, Wire};

/// An end of a connection. Dropping it closes it, as an operating system does when a process ends.
#[derive(Debug)]
pub struct SimStream {
    net: SimNet,
    number: u64,
    side: Side,
    reset: AtomicBool,
}

impl SimStream {
    pub(super) const fn new(net: SimNet, number: u64, side: Side) -> Self {
        Self { net, number, side, reset: AtomicBool::new(false) }
    }

    /// Lets `act` work on the connection, then moves what can be moved.
    fn with<T>(&self, act: impl FnOnce(&mut Wire) -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let now = self.net.now();
        let done = self.net.lock().with(self.number, |wire, way| {
            let done = act(wire);
            if done.is_ready() {
                wire.pump(now, way);
            }
            done
        });
        let done = done.expect("a connection is kept as long as an end of it is");
        if done.is_ready() {
            self.net.0.stirred.notify_one();
        }
        done
    }
}

impl AsyncRead for SimStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = ready!(self.with(|wire| wire.poll_read(cx, self.side, buf.remaining())))?;
        buf.put_slice(&read.unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for SimStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.with(|wire| wire.poll_write(cx, self.side, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|wire| {
            wire.finish(self.side);
            Poll::Ready(Ok(()))
        })
    }
}

impl NetStream for SimStream {
    fn reset_on_drop(&self) {
        self.reset.store(true, Ordering::Relaxed);
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        let (now, reset) = (self.net.now(), self.reset.load(Ordering::Relaxed));
        let _over = self.net.lock().with(self.number, |wire, way| wire.release(now, way, self.side, reset));
        self.net.0.stirred.notify_one();
    }
}
