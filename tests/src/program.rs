//! The binary and the process trees that it makes.

use crate::api::Api;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How long a start may take: the engine loads 566 MB from a cold disk.
const START: Duration = Duration::from_secs(180);
/// How long a stop may take.
const STOP: Duration = Duration::from_secs(90);

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The path of the `trueopen` binary of this build, made if it is not there or not up to date; `TRUEOPEN_PROGRAM` names another.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Some(program) = std::env::var_os("TRUEOPEN_PROGRAM") {
            return PathBuf::from(program);
        }
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = Command::new(cargo)
            .args(["build", "--quiet", "--locked", "-p", "trueopen"])
            .current_dir(workspace())
            .status()
            .unwrap();
        assert!(built.success(), "cargo build -p trueopen failed");
        // target/debug/deps/TEST → target/debug/trueopen
        let test = std::env::current_exe().unwrap();
        test.parent().unwrap().parent().unwrap().join("trueopen")
    })
}

/// The engine's library, fetched once into the cache folder.
pub fn engine_library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let output = Command::new(workspace().join("services/embedded/fetch.sh")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
    })
}

/// The compiled database of autonomous systems, fetched once into the cache folder.
pub fn asn_database() -> &'static Path {
    static DATABASE: OnceLock<PathBuf> = OnceLock::new();
    DATABASE.get_or_init(|| {
        let script = workspace().join("services/classifier/fetch-asn.sh");
        let output = Command::new(script).arg(program()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
    })
}

/// A command of the program with the settings that tests need.
pub struct Program {
    command: Command,
}

impl Program {
    /// The program with these arguments over a data directory.
    pub fn new(data_dir: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(program());
        command
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("TRUEOPEN_DATA_DIR", data_dir)
            .env("TRUEOPEN_TRACKER__LISTEN", "127.0.0.1:0")
            .env("TRUEOPEN_REPORT__LISTEN", "127.0.0.1:0")
            .env("TRUEOPEN_ADMIN__LISTEN", "127.0.0.1:0")
            .env("TRUEOPEN_ENGINE__LISTEN", "127.0.0.1:0")
            .env("TRUEOPEN_ENGINE__LIBRARY", engine_library())
            .stdin(Stdio::null());
        Self { command }
    }

    /// Adds a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// The command itself, for a test that runs it in a way of its own.
    pub fn as_command(&mut self) -> &mut Command {
        &mut self.command
    }

    /// Runs to the end.
    pub fn output(mut self) -> Output {
        self.command.output().unwrap()
    }

    /// Starts it.
    pub fn spawn(mut self) -> Child {
        self.command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Runs to the end with this on standard input.
    pub fn output_of(mut self, input: &str) -> Output {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), input).unwrap();
        self.command.stdin(File::open(file.path()).unwrap()).output().unwrap()
    }
}

/// A running `trueopen up` and everything that it started.
pub struct System {
    child: Child,
    banner: String,
    log: PathBuf,
    data_dir: PathBuf,
    key: String,
}

impl System {
    /// Starts `trueopen up` over a data directory and waits until it says that it is up.
    pub fn start(data_dir: &Path) -> Self {
        Self::start_with(data_dir, &[])
    }

    /// The same with more variables.
    pub fn start_with(data_dir: &Path, variables: &[(&str, &str)]) -> Self {
        let log = data_dir.with_extension("log");
        let stderr = File::options().create(true).append(true).open(&log).unwrap();
        let mut program = Program::new(data_dir, &["up"]);
        for (name, value) in variables {
            program = program.env(name, value);
        }
        // A group of its own, so that a test can kill the whole tree and nothing else.
        let mut child =
            program.command.process_group(0).stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
        let banner = read_banner(&mut child, &log);
        let key = std::fs::read_to_string(data_dir.join("admin.key")).unwrap().trim().to_owned();
        Self { child, banner, log, data_dir: data_dir.to_owned(), key }
    }

    /// What stands behind a name of the banner.
    pub fn told(&self, name: &str) -> String {
        let line = self.banner.lines().find(|line| line.trim_start().starts_with(name));
        let line = line.unwrap_or_else(|| panic!("the banner says nothing of {name}:\n{}", self.banner));
        line.trim_start()[name.len()..].split_whitespace().next().unwrap().to_owned()
    }

    /// All that was printed at the start.
    pub fn banner(&self) -> &str {
        &self.banner
    }

    /// The reporting API with the admin key of the account `demo`.
    pub fn api(&self) -> Api {
        Api::new(&self.told("reporting API"), &self.key)
    }

    /// The base URL of the tracker.
    pub fn tracker(&self) -> String {
        self.told("tracker")
    }

    /// Runs a command beside the running system, with its ports.
    pub fn command(&self, arguments: &[&str]) -> Program {
        let engine = self.told("ClickHouse").replace("http://", "");
        let tracker = self.tracker().replace("http://", "");
        Program::new(&self.data_dir, arguments)
            .env("TRUEOPEN_ENGINE__LISTEN", engine)
            .env("TRUEOPEN_TRACKER__LISTEN", tracker)
    }

    /// The value of a metric over all labels, as `/metrics` says it now.
    pub async fn metric(&self, name: &str) -> f64 {
        let text =
            reqwest::get(format!("{}/metrics", self.told("admin"))).await.unwrap().text().await.unwrap();
        metric(&text, name)
    }

    /// The log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// The id of the `trueopen up` process itself.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The ids of the processes of this tree that are alive.
    pub fn processes(&self) -> Vec<u32> {
        group_members(self.child.id())
    }

    /// Asks it to stop, as Ctrl-C does, and waits; the exit must be clean and nothing may be left.
    pub fn stop(mut self) {
        let id = self.child.id();
        signal_group(id, rustix::process::Signal::INT);
        let status = wait(&mut self.child, STOP).expect("trueopen did not stop in time");
        assert!(status.success(), "{status}; log:\n{}", self.log());
        assert_eq!(group_members(id), Vec::<u32>::new(), "processes were left behind");
    }

    /// Kills the whole tree at once, as a power cut would.
    pub fn kill(mut self) {
        let id = self.child.id();
        signal_group(id, rustix::process::Signal::KILL);
        self.child.wait().unwrap();
        let deadline = Instant::now() + STOP;
        while !group_members(id).is_empty() {
            assert!(Instant::now() < deadline, "processes outlived SIGKILL");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for System {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            signal_group(self.child.id(), rustix::process::Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

/// Reads standard output up to the last line of the banner; the rest is drained so that the program never blocks.
fn read_banner(child: &mut Child, log: &Path) -> String {
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut banner = String::new();
        let mut line = String::new();
        while lines.read_line(&mut line).is_ok_and(|count| count > 0) {
            banner.push_str(&line);
            if line.contains("/timeline") {
                let _ = sender.send(std::mem::take(&mut banner));
            }
            line.clear();
        }
        let _ = lines.read_to_string(&mut String::new());
    });
    receiver.recv_timeout(START).unwrap_or_else(|_| {
        signal_group(child.id(), rustix::process::Signal::KILL);
        let _ = child.wait();
        panic!("trueopen up did not come up; log:\n{}", std::fs::read_to_string(log).unwrap_or_default())
    })
}

/// The value of a metric over all labels in the text of `/metrics`.
pub(crate) fn metric(text: &str, name: &str) -> f64 {
    let lines = text.lines().filter(|line| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ') || rest.starts_with('{'))
    });
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

fn wait(child: &mut Child, limit: Duration) -> Option<std::process::ExitStatus> {
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    None
}

fn signal_group(id: u32, signal: rustix::process::Signal) {
    let id = rustix::process::Pid::from_raw(i32::try_from(id).unwrap()).unwrap();
    let _ = rustix::process::kill_process_group(id, signal);
}

/// The processes of a group that are alive, from `/proc`; zombies don't count.
fn group_members(group: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        // After the command in parentheses: state, parent, group.
        let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let fields: Vec<&str> = rest.split_whitespace().collect();
        fields.len() > 2 && fields[0] != "Z" && fields[2] == group.to_string()
    })
    .collect()
}
