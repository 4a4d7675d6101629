//! `multipart/form-data` bodies, in which the official Rust client sends a query with its parameters.

/// The boundary that a `Content-Type` names, when it is `multipart/form-data`.
pub(crate) fn boundary(content_type: &str) -> Option<&str> {
    let (kind, rest) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    rest.split(';').find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
    })
}

/// The fields of a body, in order.
///
/// # Errors
/// What is wrong with the body, for the client.
pub(crate) fn fields(body: &[u8], boundary: &str) -> Result<Vec<(String, String)>, &'static str> {
    let opening = [b"--", boundary.as_bytes()].concat();
    let delimiter = [b"\r\n--", boundary.as_bytes()].concat();
    let mut rest =
        body.strip_prefix(opening.as_slice()).or_else(|| after(body, &delimiter)).ok_or("no boundary")?;
    let mut fields = Vec::new();
    loop {
        if rest.starts_with(b"--") {
            return Ok(fields);
        }
        rest = rest.strip_prefix(b"\r\n").ok_or("a boundary without a line end")?;
        let head_end = find(rest, b"\r\n\r\n").ok_or("a field without a head")?;
        let (head, value) = (&rest[..head_end], &rest[head_end + 4..]);
        let value_end = find(value, &delimiter).ok_or("a field without an end")?;
        let name = field_name(head)?;
        let text = std::str::from_utf8(&value[..value_end]).map_err(|_| "a field that is not UTF-8")?;
        fields.push((name, text.to_owned()));
        rest = &value[value_end + delimiter.len()..];
    }
}

/// The name in a field's head; files are external tables, which the embedded engine has not.
fn field_name(head: &[u8]) -> Result<String, &'static str> {
    let head = std::str::from_utf8(head).map_err(|_| "a field's head that is not UTF-8")?;
    let disposition = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("content-disposition"))
        .ok_or("a field without Content-Disposition")?
        .1;
    let mut found = None;
    for part in disposition.split(';') {
        match part.split_once('=').map(|(name, value)| (name.trim(), value.trim().trim_matches('"'))) {
            Some(("filename" | "filename*", _)) => return Err("a file (external tables are not supported)"),
            Some(("name", value)) => found = Some(value.to_owned()),
            _ => {}
        }
    }
    found.ok_or("a field without a name")
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

fn after<'text>(text: &'text [u8], part: &[u8]) -> Option<&'text [u8]> {
    find(text, part).map(|at| &text[at + part.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_their_bytes() {
        let body =
            b"--B\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\nSELECT {a:String}\r\n--B\r\n\
            Content-Disposition: form-data; name=\"param_a\"\r\n\r\n it's\r\n\r\n--x \r\n--B--\r\n";
        let found = fields(body, "B").unwrap();
        assert_eq!(found[0], ("query".to_owned(), "SELECT {a:String}".to_owned()));
        assert_eq!(found[1], ("param_a".to_owned(), " it's\r\n\r\n--x ".to_owned()));
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn the_boundary_is_found() {
        assert_eq!(boundary("multipart/form-data; boundary=ab"), Some("ab"));
        assert_eq!(boundary("Multipart/Form-Data; charset=x; Boundary=\"a b\""), Some("a b"));
        assert_eq!(boundary("text/plain"), None);
        assert_eq!(boundary("application/x; boundary=ab"), None);
    }

    #[test]
    fn cut_and_odd_bodies_are_refused() {
        let body = b"--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx\r\n--B--";
        for end in 0..body.len() - 2 {
            assert!(fields(&body[..end], "B").is_err(), "{end}");
        }
        let file = b"--B\r\nContent-Disposition: form-data; name=\"t\"; filename=\"t\"\r\n\r\nx\r\n--B--";
        assert!(fields(file, "B").is_err());
    }
}
