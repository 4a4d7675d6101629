//! Several short texts and what goes with them in one piece of memory.

use std::sync::Arc;
use triomphe::ThinArc;

/// A head and texts that many may hold. One piece of memory with one pointer to it: beside a million messages each
/// further one shows, in bytes and in the time to look at it.
#[derive(Debug)]
pub(super) struct Texts<H, const N: usize>(ThinArc<Head<H, N>, u8>);

#[derive(Debug)]
struct Head<H, const N: usize> {
    head: H,
    /// Where each text ends in all of them.
    ends: [u32; N],
}

impl<H, const N: usize> Texts<H, N> {
    pub(super) fn new(head: H, texts: [&str; N]) -> Self {
        let all = texts.concat();
        let mut end = 0;
        let ends = texts.map(|text| {
            end += text.len();
            u32::try_from(end).expect("a record has less than four gigabytes")
        });
        Self(ThinArc::from_header_and_slice(Head { head, ends }, all.as_bytes()))
    }

    pub(super) fn head(&self) -> &H {
        &self.0.header.header.head
    }

    /// The bytes of a text, which are enough to compare it.
    pub(super) fn bytes(&self, place: usize) -> &[u8] {
        let ends = &self.0.header.header.ends;
        let begin = place.checked_sub(1).map_or(0, |before| ends[before]);
        &self.0.slice[begin as usize..ends[place] as usize]
    }

    pub(super) fn text(&self, place: usize) -> &str {
        std::str::from_utf8(self.bytes(place)).expect("texts were joined whole")
    }
}

impl<H, const N: usize> Clone for Texts<H, N> {
    fn clone(&self) -> Self {
        Self(ThinArc::clone(&self.0))
    }
}

/// A value that several hold together.
pub(super) trait Held: Clone {
    /// Whether nobody else holds it.
    fn is_alone(&self) -> bool;
}

impl<T> Held for Arc<T> {
    fn is_alone(&self) -> bool {
        Arc::strong_count(self) == 1
    }
}

impl<H, const N: usize> Held for Texts<H, N> {
    fn is_alone(&self) -> bool {
        ThinArc::strong_count(&self.0) == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_out_as_they_went_in() {
        let texts = Texts::new(7, ["", "ä€", "b", ""]);
        let other = texts.clone();
        assert!(!texts.is_alone());
        assert_eq!([0, 1, 2, 3].map(|place| other.text(place)), ["", "ä€", "b", ""]);
        assert_eq!((*other.head(), other.bytes(2)), (7, &b"b"[..]));
        drop(other);
        assert!(texts.is_alone());
    }
}
