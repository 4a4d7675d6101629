//! Values as people write them on the command line.

/// A point in time, or a span before now.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Since {
    At(engagement::Timestamp),
    Span(i64),
}

impl Since {
    pub(crate) fn before(self, now: engagement::Timestamp) -> engagement::Timestamp {
        match self {
            Self::At(time) => time,
            Self::Span(millis) => now.plus_millis(millis.saturating_neg()),
        }
    }
}

pub(super) fn since(text: &str) -> Result<Since, String> {
    let time = engagement::Timestamp::parse(text).map(Since::At);
    time.or_else(|error| span(text).map(Since::Span).map_err(|span| format!("{error}; or {span}")))
}

pub(super) fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("expected 'Name: value'")?;
    Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
}

/// A span such as `40s`, `1500ms`, `5m` or `2h`, in milliseconds.
pub(super) fn span(text: &str) -> Result<i64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "ms" => 1,
        "s" | "" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err("expected a number and ms, s, m, h or d".to_owned()),
    };
    let number: i64 = number.parse().map_err(|_| "expected a number and ms, s, m, h or d")?;
    number.checked_mul(factor).ok_or_else(|| "too long".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_units() {
        assert_eq!(span("40s"), Ok(40_000));
        assert_eq!(span("1500ms"), Ok(1500));
        assert_eq!(span("2h"), Ok(7_200_000));
        assert!(span("soon").is_err() && span("4w").is_err() && span("99999999999999999d").is_err());
    }
}
