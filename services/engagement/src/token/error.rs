//! Why a token does not open. Shown in counters, never to whoever asked.

/// Why a token does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Too short, too long or not base64url: cut on its way, or never a token.
    #[error("not the shape of a token")]
    Shape,
    /// A format that this program does not know.
    #[error("token version {0} is not known")]
    Version(u8),
    /// Sealed under a master key that this server does not hold.
    #[error("master key {0} is not held here")]
    UnknownKey(u8),
    /// The seal does not hold: forged, damaged, or asked for on another host.
    #[error("the seal does not hold")]
    Seal,
    /// The seal holds but the content makes no sense: a faulty minter.
    #[error("sealed, but the content can't be read")]
    Content,
}

impl OpenError {
    /// A short name for a counter's label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Shape => "shape",
            Self::Version(_) => "version",
            Self::UnknownKey(_) => "unknown_key",
            Self::Seal => "seal",
            Self::Content => "content",
        }
    }
}
