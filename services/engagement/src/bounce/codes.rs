//! Codes of refusals, as they are given and as they stand in texts.

use serde::{Deserialize, Deserializer, de::Error as _};

/// An enhanced status code (RFC 3463).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Enhanced {
    /// 4 for now, 5 for good.
    pub(super) class: u16,
    subject: u16,
    detail: u16,
}

/// Which enhanced codes a rule covers: `5.1.1`, `x.1.1` (whether for now or for good), `x.7.6xx`, `x.6.*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pattern {
    class: Option<u16>,
    subject: u16,
    from: u16,
    to: u16,
}

/// Subjects go up to 7; a larger number is something else that looks like a code.
const SUBJECTS: u16 = 7;
/// Reply codes that are refusals; other numbers of three digits in a text are sizes and times.
const SMTP_CODES: [u16; 22] = [
    421, 422, 432, 450, 451, 452, 454, 455, 521, 523, 530, 535, 538, 541, 550, 551, 552, 553, 554, 555, 556,
    557,
];

impl Enhanced {
    /// Reads a code that is given by itself.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().trim_start_matches('#').split('.');
        let mut number = || parts.next()?.parse::<u16>().ok();
        let (class, subject, detail) = (number()?, number()?, number()?);
        let whole = parts.next().is_none() && matches!(class, 4 | 5) && subject <= SUBJECTS && detail < 1000;
        whole.then_some(Self { class, subject, detail })
    }

    /// The first code in a text. Addresses of four numbers and versions of programs are none.
    pub(super) fn within(text: &str) -> Option<Self> {
        let part_of_code = |c: char| c.is_ascii_alphanumeric() || c == '.';
        text.split(|c| !part_of_code(c)).map(|word| word.trim_matches('.')).find_map(Self::parse)
    }
}

/// The first SMTP code in a text, at its start or between spaces and brackets.
pub(super) fn smtp_within(text: &str) -> Option<u16> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '/');
    let three = words.filter(|word| word.len() == 3);
    three.filter_map(|word| word.parse().ok()).find(|code| SMTP_CODES.contains(code))
}

impl Pattern {
    /// Whether a code is one of these.
    pub(super) fn covers(self, code: Enhanced) -> bool {
        self.class.is_none_or(|class| class == code.class)
            && self.subject == code.subject
            && (self.from..=self.to).contains(&code.detail)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let (class, subject, detail) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?);
        let class = if class == "x" { None } else { Some(class.parse().ok()?) };
        let (from, to) = match detail.strip_suffix("xx") {
            _ if detail == "*" => (0, 999),
            Some(hundred) => (hundred.parse::<u16>().ok()? * 100, hundred.parse::<u16>().ok()? * 100 + 99),
            None => (detail.parse().ok()?, detail.parse().ok()?),
        };
        parts.next().is_none().then_some(Self { class, subject, from, to })
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom(format!("{text} is no pattern of codes")))
    }
}
