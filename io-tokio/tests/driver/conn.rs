//! Connections over real loopback sockets: half-close, slow readers, closes of all kinds.

use std::io::ErrorKind;
use std::time::Duration;

use super::common::{BOUNDS, Server, echo, kind_of, send};
use bytes::Bytes;
use eyot_core::io::{Answer, CloseCause, CloseHow, Command, ConnKind, Input, Output};
use eyot_io_tokio::conn::Bounds;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

const PLAIN: ConnKind = ConnKind::ClientStartTls;

#[tokio::test]
async fn bytes_come_back_whole_and_in_order() {
    let server = Server::start(PLAIN, BOUNDS, echo).await;
    let (mut read, mut write) = TcpStream::connect(server.addr).await.unwrap().into_split();
    let sent: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_be_bytes).collect();
    let copy = sent.clone();
    let writer = tokio::spawn(async move { write.write_all(&copy).await.map(|()| write) });
    let mut back = vec![0; sent.len()];
    read.read_exact(&mut back).await.unwrap();
    assert!(back == sent);
    drop(writer.await.unwrap().unwrap());
}

#[tokio::test]
async fn a_peer_that_stops_sending_still_reads() {
    let mut server = Server::start(PLAIN, BOUNDS, |input| match input {
        Input::Ended { conn } => {
            let last = Bytes::from_static(b"bye");
            vec![send(*conn, "good ", last), Output::Close { conn: *conn, how: CloseHow::Graceful }]
        }
        _ => Vec::new(),
    })
    .await;
    let mut client = TcpStream::connect(server.addr).await.unwrap();
    client.write_all(b"hello").await.unwrap();
    client.shutdown().await.unwrap();
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "good bye");
    assert!(matches!(server.told().await, Input::Opened { kind: PLAIN, .. }));
    assert!(matches!(server.told().await, Input::Received { bytes, .. } if bytes == "hello"));
    assert!(matches!(server.told().await, Input::Ended { .. }));
    assert_eq!(server.closed().await, CloseCause::Closed);
    assert_eq!(server.closed_again().await, 0, "nothing comes after Closed");
}

#[tokio::test]
async fn the_node_learns_how_much_a_slow_reader_has_taken() {
    const PIECE: usize = 1024 * 1024;
    const PIECES: usize = 24;
    let bounds = Bounds { flushed_bytes: 256 * 1024, ..BOUNDS };
    let body = Bytes::from(vec![b'x'; PIECE]);
    let mut server = Server::start(PLAIN, bounds, move |input| match input {
        Input::Opened { conn, .. } => vec![send(*conn, "", body.clone()); PIECES],
        _ => Vec::new(),
    })
    .await;
    let mut client = TcpStream::connect(server.addr).await.unwrap();
    let mut space = vec![0; PIECE];
    let mut taken = 0;
    let mut told = 0;
    while taken < PIECE * PIECES {
        taken += client.read(&mut space).await.unwrap();
    }
    while told <= PIECE * PIECES - bounds.flushed_bytes {
        if let Input::Flushed { bytes, .. } = server.told().await {
            assert!(bytes as usize >= bounds.flushed_bytes, "told too often: {bytes}");
            told += bytes as usize;
        }
    }
    assert!(told <= PIECE * PIECES);
}

#[tokio::test]
async fn a_reader_slower_than_the_hard_bound_is_reset() {
    let bounds = Bounds { waiting_bytes: 1024 * 1024, ..BOUNDS };
    let body = Bytes::from(vec![b'x'; 2 * 1024 * 1024]);
    let mut server = Server::start(PLAIN, bounds, move |input| match input {
        Input::Received { conn, .. } => vec![send(*conn, "", body.clone())],
        _ => Vec::new(),
    })
    .await;
    let mut client = TcpStream::connect(server.addr).await.unwrap();
    client.write_all(b"more").await.unwrap();
    assert_eq!(server.closed().await, CloseCause::Reset);
    assert_eq!(kind_of(client.read_to_end(&mut Vec::new()).await), Some(ErrorKind::ConnectionReset));
    assert_eq!(server.closed_again().await, 0);
}

#[tokio::test]
async fn a_graceful_close_delivers_what_was_sent_before_and_drops_what_comes_after() {
    let body = Bytes::from(vec![b'x'; 8 * 1024 * 1024]);
    let mut server = Server::start(PLAIN, BOUNDS, move |input| match input {
        Input::Received { conn, .. } => vec![
            send(*conn, "", body.clone()),
            Output::Close { conn: *conn, how: CloseHow::Graceful },
            send(*conn, "late", Bytes::new()),
        ],
        _ => Vec::new(),
    })
    .await;
    let mut client = TcpStream::connect(server.addr).await.unwrap();
    client.write_all(b"go").await.unwrap();
    let mut read = Vec::new();
    client.read_to_end(&mut read).await.unwrap();
    assert_eq!(read.len(), 8 * 1024 * 1024);
    client.write_all(b"ignored").await.unwrap();
    drop(client);
    assert_eq!(server.closed().await, CloseCause::Closed);
    assert_eq!(server.closed_again().await, 0);
}

#[tokio::test]
async fn a_peer_that_never_closes_is_not_waited_for_for_ever() {
    let bounds = Bounds { close_time: Duration::from_millis(50), ..BOUNDS };
    let mut server = Server::start(PLAIN, bounds, |input| match input {
        Input::Opened { conn, .. } => vec![Output::Close { conn: *conn, how: CloseHow::Graceful }],
        _ => Vec::new(),
    })
    .await;
    let client = TcpStream::connect(server.addr).await.unwrap();
    assert_eq!(server.closed().await, CloseCause::TimedOut);
    drop(client);
}

#[tokio::test]
async fn what_was_written_arrives_at_a_peer_that_answers_the_end_too_late() {
    const BYTES: usize = 256 * 1024;
    let bounds = Bounds { close_time: Duration::from_millis(50), ..BOUNDS };
    let body = Bytes::from(vec![b'x'; BYTES]);
    let mut server = Server::start(PLAIN, bounds, move |input| match input {
        Input::Opened { conn, .. } => {
            vec![send(*conn, "", body.clone()), Output::Close { conn: *conn, how: CloseHow::Graceful }]
        }
        _ => Vec::new(),
    })
    .await;
    let socket = TcpSocket::new_v4().unwrap();
    // Most has to wait at the server's side, where a reset would discard it.
    socket.set_recv_buffer_size(8 * 1024).unwrap();
    let mut client = socket.connect(server.addr).await.unwrap();
    assert_eq!(server.closed().await, CloseCause::TimedOut);
    let mut read = Vec::new();
    assert_eq!(kind_of(client.read_to_end(&mut read).await), None);
    assert_eq!(read.len(), BYTES);
}

#[tokio::test]
async fn an_abort_is_a_reset_and_drops_what_is_queued() {
    let body = Bytes::from(vec![b'x'; 32 * 1024 * 1024]);
    let mut server = Server::start(PLAIN, BOUNDS, move |input| match input {
        Input::Received { conn, .. } => {
            vec![send(*conn, "", body.clone()), Output::Close { conn: *conn, how: CloseHow::Abort }]
        }
        _ => Vec::new(),
    })
    .await;
    let mut client = TcpStream::connect(server.addr).await.unwrap();
    client.write_all(b"go").await.unwrap();
    let mut read = Vec::new();
    assert_eq!(kind_of(client.read_to_end(&mut read).await), Some(ErrorKind::ConnectionReset));
    assert!(read.is_empty(), "{} bytes came", read.len());
    assert_eq!(server.closed().await, CloseCause::Closed);
    assert_eq!(server.closed_again().await, 0);
}

#[tokio::test]
async fn a_graceful_close_can_still_be_aborted() {
    let mut server = Server::start(PLAIN, BOUNDS, |input| match input {
        Input::Opened { conn, .. } => vec![Output::Close { conn: *conn, how: CloseHow::Graceful }],
        Input::Command { .. } => {
            let conn = eyot_core::io::ConnId(1);
            vec![Output::Close { conn, how: CloseHow::Abort }]
        }
        _ => Vec::new(),
    })
    .await;
    let mut client = TcpStream::connect(server.addr).await.unwrap();
    assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
    let handle = server.handle.clone();
    tokio::spawn(async move { handle.command(Command::Shutdown).await });
    assert_eq!(server.closed().await, CloseCause::Closed);
}

#[tokio::test]
async fn a_reset_by_the_peer_closes_once() {
    let mut server = Server::start(PLAIN, BOUNDS, |_| Vec::new()).await;
    let client = TcpStream::connect(server.addr).await.unwrap();
    assert!(matches!(server.told().await, Input::Opened { .. }));
    socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    assert_eq!(server.closed().await, CloseCause::Reset);
    assert_eq!(server.closed_again().await, 0);
}

#[tokio::test]
async fn many_connections_open_and_close_once_each() {
    let mut server = Server::start(PLAIN, BOUNDS, |input| match input {
        Input::Ended { conn } => vec![Output::Close { conn: *conn, how: CloseHow::Graceful }],
        _ => Vec::new(),
    })
    .await;
    for _ in 0..50 {
        let mut client = TcpStream::connect(server.addr).await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
    }
    let mut ids = Vec::new();
    let mut closed = Vec::new();
    while closed.len() < 50 {
        match server.told().await {
            Input::Opened { conn, .. } => ids.push(conn),
            Input::Closed { conn, .. } => closed.push(conn),
            _ => {}
        }
    }
    closed.sort_unstable();
    assert_eq!(ids, closed);
    assert_eq!(server.closed_again().await, 0);
}

#[tokio::test]
async fn a_command_is_answered() {
    let server = Server::start(PLAIN, BOUNDS, |input| match input {
        Input::Command { id, .. } => vec![Output::Reply { id: *id, answer: Answer::Done }],
        _ => Vec::new(),
    })
    .await;
    assert_eq!(server.handle.command(Command::Shutdown).await, Some(Answer::Done));
}

#[tokio::test]
async fn after_stopped_nobody_waits_for_an_answer() {
    let server = Server::start(PLAIN, BOUNDS, |input| match input {
        Input::Command { .. } => vec![Output::Stopped],
        _ => Vec::new(),
    })
    .await;
    assert_eq!(server.handle.command(Command::Shutdown).await, None);
}
