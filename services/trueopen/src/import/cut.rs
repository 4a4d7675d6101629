//! Cuts what comes in into lines or mails, as far as they are whole.
//!
//! A mail of an mbox is whole once the next one's `From ` line stands behind it; the last one, and a file that is a single mail,
//! once whoever reads says that the end is one. What is longer than allowed is dropped as it comes and refused when it ends.

/// The most bytes of a line.
const LINE_BYTES: usize = 256 * 1024;
/// The most bytes of a mail.
pub(super) const MAIL_BYTES: usize = 16 * 1024 * 1024;
/// What parts two mails of an mbox.
const PARTS: &[u8] = b"\nFrom ";
/// How an mbox begins.
const BEGINS: &[u8] = b"From ";

/// Cuts bytes into units.
pub(super) struct Cutter {
    mails: bool,
    /// Whether mails are parted by `From ` lines; unknown until the first bytes came.
    mbox: Option<bool>,
    held: Vec<u8>,
    /// Where the unit begins that is not whole yet.
    start: usize,
    /// No end of it stands before.
    looked: usize,
    /// How much of it was dropped, since it is too long.
    dropped: usize,
}

/// A line or a mail.
pub(super) struct Unit {
    /// How many bytes of the input it took.
    pub(super) length: u64,
    /// What it holds, or why that is refused.
    pub(super) content: Result<Vec<u8>, String>,
}

impl Cutter {
    /// For lines.
    pub(super) const fn lines() -> Self {
        Self { mails: false, mbox: None, held: Vec::new(), start: 0, looked: 0, dropped: 0 }
    }

    /// For mails; `head` is how the file begins where reading does not begin there.
    pub(super) fn mails(head: Option<&[u8]>) -> Self {
        Self {
            mails: true,
            mbox: head.map(|head| head.trim_ascii_start().starts_with(BEGINS)),
            ..Self::lines()
        }
    }

    /// Where more is put.
    pub(super) fn room(&mut self) -> &mut Vec<u8> {
        self.held.drain(..self.start);
        self.looked -= self.start;
        self.start = 0;
        &mut self.held
    }

    /// How many bytes came that belong to no whole unit yet.
    pub(super) const fn pending(&self) -> usize {
        self.dropped + self.held.len() - self.start
    }

    /// Whether there is anything but empty lines in them.
    pub(super) fn has_rest(&self) -> bool {
        self.dropped > 0 || !self.held[self.start..].trim_ascii().is_empty()
    }

    /// The next whole unit.
    pub(super) fn next(&mut self) -> Option<Unit> {
        if self.mails && self.mbox.is_none() {
            let begins = self.held.trim_ascii_start();
            if begins.len() < BEGINS.len() {
                return None;
            }
            self.mbox = Some(begins.starts_with(BEGINS));
        }
        match self.end() {
            Some(end) => Some(self.unit(end)),
            None => {
                self.drop_excess();
                None
            }
        }
    }

    /// What is left, as the last unit.
    pub(super) fn last(&mut self) -> Option<Unit> {
        self.has_rest().then(|| self.unit(self.held.len()))
    }

    /// Where the unit ends.
    fn end(&mut self) -> Option<usize> {
        let found = if !self.mails {
            self.held[self.looked..].iter().position(|byte| *byte == b'\n').map(|at| self.looked + at + 1)
        } else if self.mbox == Some(true) {
            // Empty lines before a mail belong to it.
            let empty = self.held[self.start..].len() - self.held[self.start..].trim_ascii_start().len();
            let from = if self.dropped == 0 { self.looked.max(self.start + empty) } else { self.looked };
            let found = self.held[from..].windows(PARTS.len()).position(|window| window == PARTS);
            found.map(|at| from + at + 1)
        } else {
            None
        };
        if found.is_none() {
            // Half of what parts two mails may stand at the end.
            let half = if self.mails { PARTS.len() - 1 } else { 0 };
            self.looked = self.looked.max(self.held.len().saturating_sub(half));
        }
        found
    }

    fn unit(&mut self, end: usize) -> Unit {
        let bytes = &self.held[self.start..end];
        let length = self.dropped + bytes.len();
        let (limit, name) = self.limit();
        let content = if length > limit {
            Err(format!("the {name} has more than {limit} bytes"))
        } else if self.mails {
            self.mail(bytes).map(<[u8]>::to_vec)
        } else {
            Ok(bytes.to_vec())
        };
        (self.start, self.looked, self.dropped) = (end, end, 0);
        Unit { length: length as u64, content }
    }

    /// A mail without the line that leads it in.
    fn mail<'a>(&self, bytes: &'a [u8]) -> Result<&'a [u8], String> {
        let bytes = bytes.trim_ascii_start();
        if self.mbox != Some(true) {
            return Ok(bytes);
        }
        if !bytes.starts_with(BEGINS) {
            return Err("the rest of a mail that was read before all of it was written".to_owned());
        }
        Ok(bytes
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(&bytes[bytes.len()..], |line| &bytes[line + 1..]))
    }

    /// Drops what can't become a unit any more, but for what may be half of its end.
    fn drop_excess(&mut self) {
        if self.held.len() - self.start > self.limit().0 {
            self.dropped += self.looked - self.start;
            self.start = self.looked;
        }
    }

    const fn limit(&self) -> (usize, &'static str) {
        if self.mails { (MAIL_BYTES, "mail") } else { (LINE_BYTES, "line") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The units of a text that comes in pieces of so many bytes, each with its length; the last one where `end` says so.
    fn units(mut cutter: Cutter, text: &[u8], piece: usize, end: bool) -> Vec<(u64, Result<String, String>)> {
        let mut units = Vec::new();
        for piece in text.chunks(piece) {
            cutter.room().extend(piece);
            units.extend(std::iter::from_fn(|| cutter.next()));
        }
        let taken: u64 = units.iter().map(|unit: &Unit| unit.length).sum();
        assert_eq!(taken as usize + cutter.pending(), text.len());
        units.extend(cutter.last().filter(|_| end));
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        units.into_iter().map(|unit| (unit.length, unit.content.map(text))).collect()
    }

    #[test]
    fn lines_and_mails_are_cut_wherever_the_pieces_end() {
        let mbox =
            b"\nFrom a Thu Jul  7\nSubject: one\n\nFrom here on\n>From x\n\nFrom b\nSubject: two\n\nhalf";
        let ok = |text: &str| Ok(text.to_owned());
        for piece in [1, 2, 3, 7, 1000] {
            let lines = units(Cutter::lines(), b"one\n\ntwo\nhal", piece, false);
            assert_eq!(lines, [(4, ok("one\n")), (1, ok("\n")), (4, ok("two\n"))]);
            assert_eq!(units(Cutter::lines(), b"hal", piece, true), [(3, ok("hal"))]);
            let mails = units(Cutter::mails(None), mbox, piece, true);
            let told: Vec<_> = mails.iter().map(|(_, mail)| mail.clone().unwrap()).collect();
            assert_eq!(told, ["Subject: one\n\n", ">From x\n\n", "Subject: two\n\nhalf"]);
            assert_eq!(units(Cutter::mails(None), mbox, piece, false).len(), 2);
            let single = b"Subject: a\n\nFrom x\nFrom y\n";
            assert_eq!(units(Cutter::mails(None), single, piece, false).len(), 0);
            assert_eq!(units(Cutter::mails(None), single, piece, true).len(), 1);
            // Read on in the middle of an mbox: what is no mail's start is the rest of one.
            let rest = units(Cutter::mails(Some(b"From a")), b"rest\n\nFrom b\nSubject: c\n", piece, true);
            assert!(rest[0].1.as_ref().unwrap_err().contains("rest of a mail"));
            assert_eq!(rest[1].1, ok("Subject: c\n"));
            assert!(units(Cutter::mails(None), b"\n\n", piece, true).is_empty());
        }
    }

    #[test]
    fn what_is_too_long_is_refused_and_what_stands_behind_is_read() {
        let long = [b"a\n".as_slice(), &vec![b'x'; 3 * LINE_BYTES], b"\nb\n"].concat();
        let lines = units(Cutter::lines(), &long, 10_000, false);
        assert_eq!(lines.len(), 3);
        assert!(lines[1].1.as_ref().unwrap_err().contains("the line has more than"), "{:?}", lines[1]);
        let exact = [vec![b'x'; LINE_BYTES - 1], b"\n".to_vec()].concat();
        assert!(units(Cutter::lines(), &exact, 10_000, false)[0].1.is_ok());
        let long = [b"From a\n".as_slice(), &vec![b'\n'; 2 * MAIL_BYTES], b"\nFrom b\nx: y\n"].concat();
        let mails = units(Cutter::mails(None), &long, 100_001, true);
        assert!(mails[0].1.as_ref().unwrap_err().contains("the mail has more than"));
        assert_eq!((mails.len(), mails[1].1.as_deref()), (2, Ok("x: y\n")));
    }
}
