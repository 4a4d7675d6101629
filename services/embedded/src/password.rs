//! The engine's password: made at the first start, kept in a file that only its owner can read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// The file's name in the data directory.
const FILE: &str = "engine.password";
/// What a password has at least; anything shorter is a damaged file, not a password.
const MIN_LENGTH: usize = 16;

/// Reads the password of `data_dir`, or makes one (244 random bits) when there is none yet.
///
/// # Errors
/// The file can't be read or written, or holds no password.
pub(crate) fn load_or_create(data_dir: &Path) -> io::Result<String> {
    let path = data_dir.join(FILE);
    match fs::read_to_string(&path) {
        Ok(text) => {
            let password = text.trim();
            if password.len() < MIN_LENGTH {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("{} holds no password", path.display()),
                ));
            }
            // Somebody may have copied the directory with another mask.
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
            Ok(password.to_owned())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(data_dir, &path),
        Err(error) => Err(error),
    }
}

/// Writes a new password beside its place and renames it, so that a crash leaves none or a whole one.
fn create(data_dir: &Path, path: &Path) -> io::Result<String> {
    let password = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
    let unfinished = data_dir.join(format!("{FILE}.new"));
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    writeln!(file, "{password}")?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    File::open(data_dir)?.sync_all()?;
    Ok(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_once_and_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let first = load_or_create(dir.path()).unwrap();
        assert!(first.len() >= MIN_LENGTH);
        let path = dir.path().join(FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(load_or_create(dir.path()).unwrap(), first);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn an_emptied_file_is_an_error_and_not_an_empty_password() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), "\n").unwrap();
        assert_eq!(load_or_create(dir.path()).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
