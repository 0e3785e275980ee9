//! TLS as a fact, not a cipher: both ends exchange records of the right size in the right order, so that the
//! round trips are there, and the world tells both what TLS would have told them.

use bytes::{Buf as _, Bytes, BytesMut};

/// First byte of a handshake record.
const HANDSHAKE: u8 = 0x16;
/// Type, version and length.
const HEADER_BYTES: usize = 5;
/// Payload of a `ClientHello`.
const CLIENT_HELLO_BYTES: u16 = 260;
/// Payload of the server's flight: hello, certificate, proof, finished.
const SERVER_FLIGHT_BYTES: u16 = 1_400;
/// Payload of the client's `Finished`.
const CLIENT_FINISHED_BYTES: u16 = 70;

/// One end of a handshake.
#[derive(Clone, Debug)]
pub struct Handshake {
    role: Role,
    partial: BytesMut,
}

/// Which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The end that begins.
    Client,
    /// Waits for `ClientHello`.
    Server,
    /// Has answered and waits for `Finished`.
    ServerAnswered,
}

/// What a handshake wants after it took bytes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// More bytes.
    More,
    /// These bytes sent, and more.
    Answer(Bytes),
    /// Done: these bytes sent (empty for the server); the rest belongs to the protocol inside.
    Done {
        /// To be sent first.
        answer: Bytes,
        /// What came behind the handshake.
        rest: Bytes,
    },
    /// What came is no TLS.
    Failed,
}

impl Handshake {
    /// Creates the server's end, which waits.
    pub fn server() -> Self {
        Self { role: Role::Server, partial: BytesMut::new() }
    }

    /// Creates the client's end and its first record.
    pub fn client() -> (Self, Bytes) {
        (Self { role: Role::Client, partial: BytesMut::new() }, record(CLIENT_HELLO_BYTES))
    }

    /// Takes bytes in.
    pub fn handle_bytes(&mut self, bytes: &[u8]) -> Step {
        self.partial.extend_from_slice(bytes);
        if self.partial.first().is_some_and(|kind| *kind != HANDSHAKE) {
            return Step::Failed;
        }
        let Some(length) = self.partial.get(3..HEADER_BYTES) else { return Step::More };
        let whole = HEADER_BYTES + length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        if self.partial.len() < whole {
            return Step::More;
        }
        self.partial.advance(whole);
        let answer = match self.role {
            Role::Server => {
                self.role = Role::ServerAnswered;
                return Step::Answer(record(SERVER_FLIGHT_BYTES));
            }
            Role::ServerAnswered => Bytes::new(),
            Role::Client => record(CLIENT_FINISHED_BYTES),
        };
        Step::Done { answer, rest: self.partial.split().freeze() }
    }
}

fn record(payload: u16) -> Bytes {
    let mut out = BytesMut::with_capacity(HEADER_BYTES + usize::from(payload));
    out.extend_from_slice(&[HANDSHAKE, 3, 3]);
    out.extend_from_slice(&payload.to_be_bytes());
    out.resize(HEADER_BYTES + usize::from(payload), 0);
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `bytes` one by one; returns the last step.
    fn trickle(end: &mut Handshake, bytes: &[u8]) -> Step {
        let (last, before) = bytes.split_last().unwrap();
        for byte in before {
            assert_eq!(end.handle_bytes(&[*byte]), Step::More);
        }
        end.handle_bytes(&[*last])
    }

    #[test]
    fn a_handshake_completes_byte_by_byte_and_leaves_the_rest_alone() {
        let (mut client, hello) = Handshake::client();
        let mut server = Handshake::server();
        let Step::Answer(flight) = trickle(&mut server, &hello) else { panic!("the server answers") };
        let Step::Done { answer, .. } = trickle(&mut client, &flight) else { panic!("the client is done") };
        let mut with_more = answer.to_vec();
        with_more.extend_from_slice(b"<stream");
        let Step::Done { rest, .. } = server.handle_bytes(&with_more) else { panic!("the server is done") };
        assert_eq!(rest, "<stream");
    }

    #[test]
    fn plain_text_is_no_handshake() {
        assert_eq!(Handshake::server().handle_bytes(b"<presence/>"), Step::Failed);
    }
}
