//! The folder of an operator's signature files: what is read of it, and what is refused with its file and line.

use super::{MOST_BYTES, OwnFile, paths, ruleset};
use crate::settings::Settings;
use std::fs;
use std::path::Path;

const ACME: &str = "about = \"Acme\"\n\n[[agents]]\nfamily = \"gateway\"\nwho = \"sophos\"\nkind = \"prefix\"\n\
    patterns = [\"AcmeMailGuard/\"]\ncertainty = \"certain\"\nsource = \"https://acme.example\"\ndate = \"2026-11-20\"\n";

fn over(dir: &Path) -> Settings {
    Settings { data_dir: dir.to_owned(), ..Settings::default() }
}

fn version(settings: &Settings) -> String {
    ruleset(settings).unwrap().version().to_owned()
}

#[test]
fn toml_files_are_read_in_the_order_of_their_names_and_nothing_else_is() {
    let dir = tempfile::tempdir().unwrap();
    let settings = over(dir.path());
    let without = version(&settings);
    let folder = dir.path().join("signatures");
    fs::create_dir(&folder).unwrap();
    for name in [".acme.toml.swp", ".hidden.toml", "acme.toml~", "acme.toml.bak", "acme.new.17", "README.md"]
    {
        fs::write(folder.join(name), "no signatures").unwrap();
    }
    assert_eq!((paths(&settings).unwrap().len(), version(&settings)), (0, without.clone()));

    fs::write(folder.join("zz.toml"), "about = \"nothing\"\n").unwrap();
    fs::write(folder.join("acme.toml"), ACME).unwrap();
    assert_eq!(paths(&settings).unwrap(), [folder.join("acme.toml"), folder.join("zz.toml")]);
    let made = ruleset(&settings).unwrap();
    let last: Vec<_> = made.files().iter().rev().take(2).map(|file| file.name.as_str()).collect();
    assert_eq!(last, ["zz.toml", "acme.toml"]);
    assert_ne!(made.version(), without);
    for name in ["zz.toml", "acme.toml"] {
        fs::remove_file(folder.join(name)).unwrap();
    }
    assert_eq!(version(&settings), without);
}

#[test]
fn what_is_refused_is_said_with_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let settings = over(dir.path());
    let path = dir.path().join("signatures/acme.toml");
    fs::create_dir(dir.path().join("signatures")).unwrap();
    let long = vec![b'#'; usize::try_from(MOST_BYTES).unwrap() + 1];
    let foreign = [b"about = \"x\"\n# ".as_slice(), &[0xff, b'\n']].concat();
    let unknown = ACME.replace("sophos", "acme");
    for (bytes, told) in [
        (unknown.as_bytes(), ":5: unknown source id"),
        (&foreign, ":2: not UTF-8"),
        (&long, ": longer than 1048576 bytes"),
    ] {
        fs::write(&path, bytes).unwrap();
        let refused = ruleset(&settings).unwrap_err().to_string();
        assert!(refused.contains(&format!("{}{told}", path.display())), "{refused}");
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(ruleset(&settings).unwrap_err().to_string().contains("acme.toml: a signature file is a file"));
}

#[test]
fn a_folder_that_the_settings_name_must_be_there() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = over(dir.path());
    let folder = dir.path().join("mounted");
    settings.signatures.folder = Some(folder.clone());
    let refused = ruleset(&settings).unwrap_err().to_string();
    assert!(refused.contains("signatures.folder") && refused.contains("mounted"), "{refused}");
    let given = dir.path().join("acme.toml");
    fs::write(&given, ACME).unwrap();
    OwnFile::read(&given).unwrap().install(&settings).unwrap();
    assert_eq!(fs::read_to_string(folder.join("acme.toml")).unwrap(), ACME);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing beside it");
    assert_eq!(ruleset(&settings).unwrap().files().last().unwrap().name, "acme.toml");
}
