//! A blocking socket to a broker: frames out, answers in, in order. As little work as can be, so that the broker is what is
//! measured.

use anyhow::{Context, Result, ensure};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Longest answer that is read, in bytes: above what a fetch asks for.
const ANSWER_LEN_MAX: usize = 64 << 20;
/// A broker that says nothing for so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Connection {
    socket: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    pub(super) fn open(broker: &str) -> Result<Connection> {
        let socket = TcpStream::connect(broker).with_context(|| format!("connect to {broker}"))?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Connection { socket, answer: Vec::new() })
    }
    pub(super) fn send(&mut self, frame: &[u8]) -> Result<()> {
        self.socket.write_all(frame).context("send a request")
    }
    /// The next answer without its length and correlation id; good until the next call.
    pub(super) fn receive(&mut self) -> Result<&[u8]> {
        let mut head = [0; 8];
        self.socket.read_exact(&mut head).context("read an answer")?;
        let [a, b, c, d, ..] = head;
        let len = usize::try_from(i32::from_be_bytes([a, b, c, d]))?;
        ensure!((4..=ANSWER_LEN_MAX).contains(&len), "an answer of {len} bytes");
        if self.answer.len() < len - 4 {
            self.answer.resize(len - 4, 0);
        }
        let body = &mut self.answer[..len - 4];
        self.socket.read_exact(body).context("read an answer")?;
        Ok(body)
    }
    pub(super) fn ask(&mut self, frame: &[u8]) -> Result<&[u8]> {
        self.send(frame)?;
        self.receive()
    }
}
