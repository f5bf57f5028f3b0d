//! A child process whose output is kept, that ends with its owner.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;

use super::eventually;

/// A running child; killed by its pid when dropped. Its output is printed if the test is failing by then.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    lines: Lines,
}

/// Lines of stdout and stderr, in the order in which they came.
type Lines = Arc<Mutex<Vec<String>>>;

impl Process {
    /// Starts `command`; `name` is what logs and failures call it.
    pub fn spawn(name: &str, mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = spawn_from_lasting_thread(name, command);
        let lines = Lines::default();
        collect(child.stdout.take().unwrap(), Arc::clone(&lines));
        collect(child.stderr.take().unwrap(), Arc::clone(&lines));
        Self { name: name.to_owned(), child, lines }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything the process wrote so far, a line each.
    pub fn log(&self) -> String {
        self.lines().iter().fold(String::new(), |mut log, line| {
            writeln!(log, "{line}").unwrap();
            log
        })
    }

    /// The first line at or after `from` for which `read` gives a value, once there is one.
    ///
    /// Panics when the process ends, or `DEADLINE` passes, without such a line.
    pub async fn wait_for<T>(
        &mut self,
        what: &str,
        from: usize,
        mut read: impl FnMut(&str) -> Option<T>,
    ) -> T {
        let mut next = from;
        let what = format!("{} never said {what}", self.name);
        eventually(&what, || {
            let ended = self.ended();
            let found = {
                let lines = self.lines();
                let found = lines.iter().skip(next).find_map(|line| read(line));
                next = lines.len();
                found
            };
            assert!(found.is_some() || ended.is_none(), "{what}; it ended: {ended:?}");
            std::future::ready(found)
        })
        .await
    }

    /// Waits until a line has `part` in it and gives that line.
    pub async fn wait_for_line(&mut self, part: &str) -> String {
        self.wait_for(part, 0, |line| line.contains(part).then(|| line.to_owned())).await
    }

    /// Writes one line to the process's standard input.
    pub fn write_line(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin
            .write_all(format!("{line}\n").as_bytes())
            .unwrap_or_else(|error| panic!("{}: {error}", self.name));
    }

    /// How many lines there are by now: a place to wait from.
    pub fn line_count(&self) -> usize {
        self.lines().len()
    }

    /// The exit status, once the process has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Asks the process to stop (SIGTERM) and waits until it has.
    pub async fn terminate(&mut self) -> ExitStatus {
        let sent = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status().unwrap();
        assert!(sent.success() || self.ended().is_some(), "no SIGTERM for {}", self.name);
        let what = format!("{} stops after SIGTERM", self.name);
        eventually(&what, || std::future::ready(self.ended())).await
    }

    /// Kills the process (SIGKILL) and waits until it is gone.
    pub fn kill(&mut self) {
        if self.ended().is_none() {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
        }
    }

    fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            eprintln!("--- output of {} ---\n{}---", self.name, self.log());
        }
    }
}

fn collect(stream: impl Read + Send + 'static, lines: Lines) {
    thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            lines.lock().unwrap_or_else(PoisonError::into_inner).push(text);
            line.clear();
        }
    });
}

/// Envoy asks Linux for a SIGTERM when the thread that started it ends, and a test's thread ends early; so one thread
/// starts everything and lasts as long as the test binary.
fn spawn_from_lasting_thread(name: &str, command: Command) -> Child {
    type Order = (Command, mpsc::SyncSender<std::io::Result<Child>>);
    static SPAWNER: LazyLock<mpsc::SyncSender<Order>> = LazyLock::new(|| {
        let (orders, incoming) = mpsc::sync_channel::<Order>(1);
        thread::spawn(move || {
            for (mut command, reply) in incoming {
                let _ = reply.send(command.spawn());
            }
        });
        orders
    });
    let (reply, answer) = mpsc::sync_channel(1);
    let program = command.get_program().to_owned();
    SPAWNER.send((command, reply)).unwrap();
    answer
        .recv()
        .unwrap()
        .unwrap_or_else(|error| panic!("cannot start {name} ({}): {error}", program.display()))
}
