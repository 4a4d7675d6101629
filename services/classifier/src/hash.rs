//! Numbers that stand for values within one process: quick ones, of a seed that no stranger knows, and never written down.

use hashbrown::DefaultHashBuilder;
use std::hash::{BuildHasher as _, Hasher};
use std::sync::LazyLock;

static HASHERS: LazyLock<DefaultHashBuilder> = LazyLock::new(DefaultHashBuilder::default);

/// A hasher of this process' seed.
pub(crate) fn hasher() -> impl Hasher {
    HASHERS.build_hasher()
}
