//! The engine in this process: one data path, and a session of its own for every request.
//!
//! A session costs about 0.15 ms (tried, 26.7.3), so none is ever used twice: settings, the current database and the
//! rest of a failed answer can't reach the next request.

use std::ffi::CString;
use std::fs;
use std::path::Path;

use super::exception::{Exception, UNKNOWN_SETTING};
use crate::ffi::{Chdb, Connection, Parameters};

/// Arguments of every session. The library's own defaults suit a command line; these are a server's.
const SERVER_DEFAULTS: [&str; 3] = [
    "--implicit_select=0",
    "--allow_introspection_functions=0",
    "--storage_file_read_method=pread_threadpool",
];

/// What a request asks of its session.
#[derive(Debug, Default)]
pub(crate) struct Setup {
    /// The current database.
    pub(crate) database: Option<String>,
    /// Settings, as given.
    pub(crate) settings: Vec<(String, String)>,
    /// Nothing may be changed.
    pub(crate) read_only: bool,
    /// Marks the session's statements, so that they can be found and cancelled.
    pub(crate) query_id: String,
}

/// The running engine.
pub(crate) struct Database {
    chdb: &'static Chdb,
    arguments: Vec<CString>,
    version: String,
    timezone: String,
}

impl Database {
    /// Starts the engine on `path`. The connection that comes with it keeps it running: it stops when the last
    /// connection closes.
    ///
    /// # Errors
    /// One line for a person.
    pub(crate) fn open(
        chdb: &'static Chdb,
        path: &Path,
        configuration: &Path,
        memory_limit_bytes: Option<u64>,
    ) -> Result<(Self, Connection), String> {
        // Named so that the engine does not look for one in the current or the home directory.
        fs::write(configuration, configuration_file(memory_limit_bytes))
            .map_err(|error| format!("cannot write {}: {error}", configuration.display()))?;
        let (Some(path_text), Some(configuration_text)) = (path.to_str(), configuration.to_str()) else {
            return Err(format!("the data directory's name is not UTF-8: {}", path.display()));
        };
        let arguments = ["clickhouse".to_owned(), format!("--path={path_text}")]
            .into_iter()
            .chain([format!("--config-file={configuration_text}")])
            .chain(SERVER_DEFAULTS.map(str::to_owned))
            .map(CString::new)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| "the data directory's name has a zero byte".to_owned())?;
        let mut keeper = chdb
            .connect(&arguments)
            .ok_or_else(|| format!("the ClickHouse engine cannot open its data in {}", path.display()))?;
        let answer = keeper
            .query("SELECT version(), timezone()", "TabSeparated", &[])
            .map_err(|error| format!("the ClickHouse engine does not answer: {error}"))?;
        let text = String::from_utf8_lossy(answer.bytes()).into_owned();
        let (version, timezone) = text.trim_end().split_once('\t').unwrap_or((text.trim_end(), ""));
        let database = Self { chdb, arguments, version: version.to_owned(), timezone: timezone.to_owned() };
        Ok((database, keeper))
    }

    /// The engine's version, like `26.7.2.1`.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// The engine's time zone.
    pub(crate) fn timezone(&self) -> &str {
        &self.timezone
    }

    /// A session for one request.
    ///
    /// # Errors
    /// The database or a setting is not known, or a setting's value is not one.
    pub(crate) fn session(&self, setup: &Setup) -> Result<Connection, Exception> {
        let mut connection = self
            .chdb
            .connect(&self.arguments)
            .ok_or_else(|| Exception::from_engine("The embedded engine refuses connections"))?;
        let mut run = |sql: &str| match connection.query(sql, "Null", NO_PARAMETERS) {
            Ok(_) => Ok(()),
            Err(error) => Err(Exception::from_engine(&error)),
        };
        if let Some(database) =
            setup.database.as_deref().filter(|name| !name.is_empty() && *name != "default")
        {
            run(&format!("USE `{}`", escaped(database, '`')))?;
        }
        let mut assignments = vec![("log_comment", setup.query_id.as_str())];
        for (name, value) in &setup.settings {
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                return Err(Exception::new(UNKNOWN_SETTING, format!("Unknown setting '{name}'")));
            }
            assignments.push((name, value));
        }
        let list: Vec<String> =
            assignments.iter().map(|(name, value)| format!("{name} = '{}'", escaped(value, '\''))).collect();
        run(&format!("SET {}", list.join(", ")))?;
        let sealed = setup.settings.iter().any(|(name, value)| name == "readonly" && value != "0");
        if setup.read_only && !sealed {
            run("SET readonly = 2")?;
        }
        Ok(connection)
    }

    /// Cancels the statements of the request that `query_id` marks.
    pub(crate) fn cancel(&self, query_id: &str) {
        self.kill(&format!("Settings['log_comment'] = '{}'", escaped(query_id, '\'')));
    }

    /// Cancels every statement.
    pub(crate) fn cancel_all(&self) {
        self.kill("1");
    }

    fn kill(&self, condition: &str) {
        if let Some(mut connection) = self.chdb.connect(&self.arguments) {
            // Nothing to do when it fails: the statement has just ended, or its answer will find nobody.
            let _ = connection.query(&format!("KILL QUERY WHERE {condition} ASYNC"), "Null", NO_PARAMETERS);
        }
    }
}

const NO_PARAMETERS: &Parameters = &[];

fn configuration_file(memory_limit_bytes: Option<u64>) -> String {
    let limit = memory_limit_bytes
        .map(|bytes| format!("    <max_server_memory_usage>{bytes}</max_server_memory_usage>\n"))
        .unwrap_or_default();
    format!("<!-- Written anew at every start. -->\n<clickhouse>\n{limit}</clickhouse>\n")
}

/// `text` for use between two `quote`s.
fn escaped(text: &str, quote: char) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character == quote || character == '\\' {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_out_of_its_quotes() {
        assert_eq!(escaped("a`; DROP TABLE t", '`'), "a\\`; DROP TABLE t");
        assert_eq!(escaped("\\' OR 1", '\''), "\\\\\\' OR 1");
    }
}
