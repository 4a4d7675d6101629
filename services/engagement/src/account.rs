//! Accounts: the sender's name for people, the number for tokens and tables.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The number of an account, as tokens and tables carry it. It never changes and is never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct AccountNumber(pub u32);

/// The name of an account as it stands in URLs: 1 to 63 of `a-z`, `0-9`, `-` and `_`, starting with a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct AccountId(#[schemars(regex(pattern = "^[a-z0-9][a-z0-9_-]{0,62}$"))] String);

/// Why a name can't be an account's.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("an account name is 1 to 63 of a-z, 0-9, - and _, and starts with a letter or digit")]
pub struct AccountIdError;

impl AccountId {
    /// Checks and takes a name.
    ///
    /// # Errors
    /// [`AccountIdError`] when the name has another shape.
    pub fn new(name: impl Into<String>) -> Result<Self, AccountIdError> {
        let name = name.into();
        let good_start = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let good_bytes =
            name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
        if good_start && good_bytes && name.len() <= 63 { Ok(Self(name)) } else { Err(AccountIdError) }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for AccountId {
    type Error = AccountIdError;
    fn try_from(name: String) -> Result<Self, AccountIdError> {
        Self::new(name)
    }
}

impl From<AccountId> for String {
    fn from(id: AccountId) -> Self {
        id.0
    }
}

impl std::fmt::Display for AccountId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_shape() {
        for good in ["demo", "a", "9", "st-mary_2"] {
            assert_eq!(AccountId::new(good).map(|id| id.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "-a", "Demo", "a b", "a/b", "é", "a'--", &"x".repeat(64)] {
            assert_eq!(AccountId::new(bad), Err(AccountIdError), "{bad}");
        }
    }
}
