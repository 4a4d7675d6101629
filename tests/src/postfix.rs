//! A real Postfix on loopback, out of a directory of its own: it takes mail on a free port and delivers it to mailboxes of
//! the domain `mailbox.test`, of which one is good, one full, and all others unknown.

use crate::stage::free_port;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// How long a start or a delivery may take.
const PATIENCE: Duration = Duration::from_secs(60);

const MASTER: &str = "\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
";

/// A running Postfix; what it started ends with it.
pub struct Postfix {
    folder: tempfile::TempDir,
    port: u16,
}

impl Postfix {
    /// Starts one. Without root or without Postfix it says so in one line and gives none; in CI that is a failure.
    pub fn start() -> Option<Self> {
        let fetched =
            Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("deps.sh")).arg("postfix").status();
        let user = id("-u").filter(|_| rustix::process::geteuid().is_root());
        let (Some(user), Some(group), true) = (user, id("-g"), fetched.is_ok_and(|status| status.success()))
        else {
            assert!(std::env::var_os("CI").is_none(), "a test that needs Postfix can't be skipped in CI");
            let _ = writeln!(std::io::stderr(), "skipped: there is no Postfix, or no root to run it as");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        // Its daemons run as another user and must get through.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["etc", "queue", "data", "mailboxes"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let full = folder.path().join("mailboxes/full");
        std::fs::write(&full, vec![b'x'; 60_000]).unwrap();
        for owned in [folder.path().join("data"), folder.path().join("mailboxes"), full] {
            chown(owned, Some(user), Some(group)).unwrap();
        }
        let this = Self { folder, port: free_port() };
        let master = format!("127.0.0.1:{} inet n - n - - smtpd\n{MASTER}", this.port);
        std::fs::write(this.path("etc/master.cf"), master).unwrap();
        std::fs::write(this.path("etc/main.cf"), this.main(user, group)).unwrap();
        let started = this.control("start");
        assert!(started, "postfix did not start: {}", this.log());
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", this.port)).is_err() {
            assert!(Instant::now() < deadline, "postfix does not listen: {}", this.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(this)
    }

    fn main(&self, user: u32, group: u32) -> String {
        let folder = self.folder.path().display();
        format!(
            "compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = sender.test
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
virtual_mailbox_domains = mailbox.test
virtual_mailbox_base = {folder}/mailboxes
virtual_mailbox_maps = inline:{{ {{ good@mailbox.test = good }}, {{ full@mailbox.test = full }} }}
virtual_uid_maps = static:{user}
virtual_gid_maps = static:{group}
virtual_minimum_uid = 1
message_size_limit = 40960
virtual_mailbox_limit = 51200
mailbox_size_limit = 51200
smtpd_reject_unlisted_recipient = no
smtpd_relay_restrictions = permit_mynetworks, reject
transport_maps = inline:{{ {{ sender.test = discard: }} }}
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}
notify_classes =
"
        )
    }

    /// Hands a mail over by SMTP.
    pub fn send(&self, recipient: &str, mail: &str) {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let mut answers = BufReader::new(stream.try_clone().unwrap());
        let mut stream = stream;
        let mut say = |text: &str, code: &str| {
            if !text.is_empty() {
                stream.write_all(text.as_bytes()).unwrap();
            }
            let mut answer = String::new();
            answers.read_line(&mut answer).unwrap();
            assert!(answer.starts_with(code), "{text:.80}: {answer}");
        };
        say("", "220");
        say("HELO sender.test\r\n", "250");
        say("MAIL FROM:<news@sender.test>\r\n", "250");
        say(&format!("RCPT TO:<{recipient}>\r\n"), "250");
        say("DATA\r\n", "354");
        say(&format!("{}\r\n.\r\n", mail.replace('\n', "\r\n")), "250");
        say("QUIT\r\n", "221");
    }

    /// Waits until its log says something so often.
    pub fn wait_for(&self, text: &str, times: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.log().matches(text).count() < times {
            assert!(Instant::now() < deadline, "postfix did not log `{text}` {times} times:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Its log.
    pub fn log_file(&self) -> PathBuf {
        self.path("mail.log")
    }

    /// What the good mailbox holds.
    pub fn mailbox(&self) -> String {
        std::fs::read_to_string(self.path("mailboxes/good")).unwrap()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `postfix start` or `stop` of this configuration and no other.
    fn control(&self, what: &str) -> bool {
        let mut command = Command::new("/usr/sbin/postfix");
        command.arg("-c").arg(self.path("etc")).arg(what).env("TZ", "UTC");
        let output = command.stdin(std::process::Stdio::null()).output().unwrap();
        output.status.success()
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        self.control("stop");
    }
}

/// The id of Postfix's own user or group.
fn id(which: &str) -> Option<u32> {
    let output = Command::new("id").args([which, "postfix"]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
