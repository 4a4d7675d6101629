//! What failed, what that means, and what an operator is told.

use store::{DatabaseError, ErrorClass, MigrateError};

/// Why ClickHouse did not take rows.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// An insert was refused, or not answered.
    #[error(transparent)]
    Insert(#[from] DatabaseError),
    /// A look at the schema was refused, or not answered: never a row's fault.
    #[error(transparent)]
    Look(DatabaseError),
    /// Its tables are not this program's.
    #[error(transparent)]
    Schema(MigrateError),
}

impl From<MigrateError> for Failure {
    fn from(error: MigrateError) -> Self {
        match error {
            // Without the statement's words: what failed is what counts here.
            MigrateError::Database { cause, .. } => Self::Look(cause),
            other => Self::Schema(other),
        }
    }
}

impl Failure {
    /// What to do about it.
    pub(crate) fn class(&self) -> ErrorClass {
        match self {
            Self::Insert(error) => error.class(),
            Self::Look(error) if error.class() == ErrorClass::Transient => ErrorClass::Transient,
            Self::Look(_) | Self::Schema(_) => ErrorClass::Misconfigured,
        }
    }
}

/// The value of a metric's `class` label.
pub(crate) fn class_label(class: ErrorClass) -> &'static str {
    match class {
        ErrorClass::Transient => "transient",
        ErrorClass::Poison => "poison",
        ErrorClass::Misconfigured => "misconfigured",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_schema_needs_a_person_and_an_absent_database_does_not() {
        let newer = Failure::from(MigrateError::Newer { found: 9, known: 1 });
        assert_eq!(newer.class(), ErrorClass::Misconfigured);
        let odd = DatabaseError::Value { text: String::new() };
        assert_eq!(Failure::Insert(odd.clone()).class(), ErrorClass::Poison);
        assert_eq!(Failure::Look(odd).class(), ErrorClass::Misconfigured, "no row is at fault");
        let cause = DatabaseError::Unreachable { text: "connection refused".to_owned() };
        let away = Failure::from(MigrateError::Database { doing: "reading", cause });
        assert_eq!((away.class(), class_label(away.class())), (ErrorClass::Transient, "transient"));
    }
}
