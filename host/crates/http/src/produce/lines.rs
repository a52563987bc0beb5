//! Cuts a body into lines as it comes. A line is whole when its end has come; the last one also when the body ends well.

use bytes::{Buf, BytesMut};

/// Bytes that have come and the lines in them.
#[derive(Debug, Default)]
pub(super) struct Lines {
    held: BytesMut,
    /// Where in `held` the next line begins.
    start: usize,
    /// Bytes of `held` from `start` on that are known to have no line end.
    searched: usize,
    taken: u64,
}

impl Lines {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.held.advance(self.start);
        self.start = 0;
        self.held.extend_from_slice(bytes);
    }
    /// The next whole line, without its end.
    pub(super) fn next(&mut self) -> Option<&[u8]> {
        let begin = self.start;
        match memchr::memchr(b'\n', &self.held[begin + self.searched..]) {
            Some(at) => {
                let end = begin + self.searched + at;
                self.start = end + 1;
                self.searched = 0;
                self.taken += 1;
                Some(without_return(&self.held[begin..end]))
            }
            None => {
                self.searched = self.held.len() - begin;
                None
            }
        }
    }
    /// What follows the last line end, when the body has ended.
    pub(super) fn rest(&mut self) -> Option<&[u8]> {
        let begin = self.start;
        if begin == self.held.len() {
            return None;
        }
        self.taken += 1;
        self.start = self.held.len();
        self.searched = 0;
        Some(without_return(&self.held[begin..]))
    }
    /// Bytes held of a line whose end has not come.
    pub(super) fn pending(&self) -> usize {
        self.held.len() - self.start
    }
    /// Lines taken so far: the number of the last one.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_whole_wherever_the_body_is_cut() {
        let body = b"a\r\n\nbc\nlast";
        for cut in 0..body.len() {
            let (mut lines, mut seen) = (Lines::default(), Vec::new());
            for part in [&body[..cut], &body[cut..]] {
                lines.add(part);
                while let Some(line) = lines.next() {
                    seen.push(line.to_vec());
                }
            }
            seen.extend(lines.rest().map(<[u8]>::to_vec));
            assert_eq!(seen, vec![&b"a"[..], b"", b"bc", b"last"], "cut at {cut}");
            assert_eq!((lines.taken(), lines.pending()), (4, 0));
        }
    }
}
