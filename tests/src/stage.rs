//! One stage of the program as a process of its own.

use crate::program::Program;
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// How long a start or a stop may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// A stage: what it is started with, and the process while it runs.
pub struct Stage {
    name: &'static str,
    arguments: Vec<String>,
    dir: PathBuf,
    admin: u16,
    variables: Vec<(String, String)>,
    running: Option<Child>,
}

impl Stage {
    /// Starts `trueopen NAME` with these variables; its data and its log lie under `dir`.
    pub fn start(name: &'static str, dir: &Path, variables: &[(String, String)]) -> Self {
        Self::start_with(name, &[], dir, variables, free_port())
    }

    /// The same with more arguments, and its admin port where the variables say.
    pub fn start_with(
        name: &'static str,
        arguments: &[String],
        dir: &Path,
        variables: &[(String, String)],
        admin: u16,
    ) -> Self {
        let mut stage = Self {
            name,
            arguments: arguments.to_vec(),
            dir: dir.to_owned(),
            admin,
            variables: variables.to_vec(),
            running: None,
        };
        stage.restart();
        stage
    }

    /// Starts it again with what it was started with, over the same data and ports.
    pub fn restart(&mut self) {
        self.kill();
        let log = File::options().create(true).append(true).open(self.log_file()).unwrap();
        let mut arguments = vec![self.name];
        arguments.extend(self.arguments.iter().map(String::as_str));
        let mut program = Program::new(&self.dir.join(self.name), &arguments)
            .env("TRUEOPEN_ADMIN__LISTEN", format!("127.0.0.1:{}", self.admin));
        for (name, value) in &self.variables {
            program = program.env(name, value);
        }
        let command = program.as_command();
        self.running = Some(command.stdout(Stdio::null()).stderr(log).spawn().unwrap());
    }

    /// Kills it, as a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            let _ = running.kill();
            running.wait().unwrap();
        }
    }

    /// Suspends it, as a machine does that is moved or swaps; it goes on at [`Stage::resume`].
    pub fn suspend(&self) {
        self.signal(rustix::process::Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal(rustix::process::Signal::CONT);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let id = i32::try_from(self.running.as_ref().unwrap().id()).unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_raw(id).unwrap(), signal).unwrap();
    }

    /// Asks it to stop, as an orchestrator does; the exit must be clean.
    pub fn stop(mut self) {
        self.signal(rustix::process::Signal::TERM);
        let mut running = self.running.take().unwrap();
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = running.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > deadline {
                let _ = running.kill();
                panic!("{} did not stop in time; log:\n{}", self.name, self.log());
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        assert!(status.success(), "{}: {status}; log:\n{}", self.name, self.log());
    }

    /// The status and the text of `/readyz`; 0 while the port is closed.
    pub async fn readiness(&self) -> (u16, String) {
        match reqwest::get(format!("http://127.0.0.1:{}/readyz", self.admin)).await {
            Ok(answer) => (answer.status().as_u16(), answer.text().await.unwrap_or_default()),
            Err(error) => (0, error.to_string()),
        }
    }

    /// Waits until it is ready.
    pub async fn ready(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (status, text) = self.readiness().await;
            if status == 200 {
                return;
            }
            let ended = self.running.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "{} ended: {ended:?}; log:\n{}", self.name, self.log());
            assert!(Instant::now() < deadline, "{} is not ready: {text}; log:\n{}", self.name, self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The value of a metric over all labels, as `/metrics` says it now.
    pub async fn metric(&self, name: &str) -> f64 {
        let url = format!("http://127.0.0.1:{}/metrics", self.admin);
        crate::program::metric(&reqwest::get(url).await.unwrap().text().await.unwrap(), name)
    }

    /// The id of its process.
    pub fn id(&self) -> u32 {
        self.running.as_ref().unwrap().id()
    }

    /// The log so far, over all its starts.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.dir.join(format!("{}.log", self.name))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that nobody uses now.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}
