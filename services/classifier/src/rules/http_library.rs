use crate::facts::Facts;
use crate::finding::Finding;
use crate::matched::Matched;
use crate::signatures::Family;

/// An HTTP library or command line tool under its own name.
///
/// Evidence: the default agents of the libraries, each with its source in `signatures/http_libraries.toml`.
///
/// Known false positives: a mail app whose maker left the library's default agent in place. Those whose stacks mail apps
/// are known to use (okhttp, CFNetwork, Dalvik) are not here but in `generic_client`.
pub(super) fn judge<'a>(_facts: &Facts<'a>, matched: &Matched<'a>) -> Option<Finding<'a>> {
    matched.agent(Family::HttpLibrary).map(|signature| Finding::signature(signature).about_kind())
}
