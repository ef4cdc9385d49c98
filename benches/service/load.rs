//! Requests over connections that are kept, by as many clients at once as there are workers, and how long they took.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode};

/// A connection that is kept: no more of HTTP/1.1 than the service needs, so that the client costs little.
pub(crate) struct Connection(BufReader<Box<dyn Line>>);

/// TCP, or TLS on it.
trait Line: Read + Write + Send {}

impl<T: Read + Write + Send> Line for T {}

impl Connection {
    pub(crate) fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(Box::new(stream)))
    }

    /// The same with TLS; whose certificate it is does not matter here.
    pub(crate) fn with_tls(address: SocketAddr) -> Self {
        static CONNECTOR: OnceLock<SslConnector> = OnceLock::new(); // it reads all CAs of this computer
        let connector = CONNECTOR.get_or_init(|| {
            let mut connector = SslConnector::builder(SslMethod::tls()).unwrap();
            connector.set_verify(SslVerifyMode::NONE);
            connector.build()
        });
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::with_capacity(1024, Box::new(connector.connect("localhost", stream).unwrap())))
    }

    /// One request with headers in lines of their own; the body of its answer, which is one of success.
    pub(crate) fn ask(&mut self, line: &str, headers: &str, body: &str) -> Vec<u8> {
        let (status, length) = self.begin(line, headers, body);
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        assert!(status.starts_with("HTTP/1.1 20"), "{status}{}", String::from_utf8_lossy(&body));
        body
    }

    /// A request whose answer begins with a comment of server-sent events, and has no end.
    pub(crate) fn wait_at(mut self, line: &str, headers: &str) -> Self {
        let (status, length) = self.begin(line, headers, "");
        let mut chunk = vec![0; "3\r\n:\n\n\r\n".len().max(length)];
        self.0.read_exact(&mut chunk).unwrap();
        assert!(status.starts_with("HTTP/1.1 200"), "{status}{}", String::from_utf8_lossy(&chunk));
        assert_eq!(chunk, b"3\r\n:\n\n\r\n");
        self
    }

    /// Sends a request; the status line and the length of its answer.
    fn begin(&mut self, line: &str, headers: &str, body: &str) -> (String, usize) {
        let request = format!(
            "{line} HTTP/1.1\r\nhost: service\r\n{headers}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
        let (mut status, mut length) = (String::new(), 0);
        self.0.read_line(&mut status).unwrap();
        loop {
            let mut header = String::new();
            self.0.read_line(&mut header).unwrap();
            let Some((name, value)) = header.split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().unwrap();
            }
        }
        (status, length)
    }
}

/// How often something was done, and how long it took.
pub(crate) struct Measured {
    pub(crate) count: usize,
    pub(crate) seconds: f64,
    /// In order; empty where nobody waits for one thing alone.
    latencies: Vec<Duration>,
}

impl Measured {
    /// Of many things done as one.
    pub(crate) fn whole(count: usize, took: Duration) -> Self {
        Self { count, seconds: took.as_secs_f64(), latencies: Vec::new() }
    }

    pub(crate) fn of(mut latencies: Vec<Duration>, took: Duration) -> Self {
        latencies.sort();
        Self { count: latencies.len(), seconds: took.as_secs_f64(), latencies }
    }

    /// Of all of these, one after the other.
    pub(crate) fn joined(all: Vec<Self>) -> Self {
        let seconds = all.iter().map(|one| one.seconds).sum();
        Self::of(all.into_iter().flat_map(|one| one.latencies).collect(), Duration::from_secs_f64(seconds))
    }

    pub(crate) fn rate(&self) -> f64 {
        self.count as f64 / self.seconds
    }

    /// The latency that this share of all stay below, in milliseconds.
    pub(crate) fn percentile(&self, share: f64) -> Option<f64> {
        let place = (self.latencies.len() as f64 * share) as usize;
        self.latencies.get(place).map(|latency| latency.as_secs_f64() * 1000.0)
    }
}

/// Lets each worker work until the time is over or nothing is left for it. A worker says how long its work took.
pub(crate) fn drive<W: FnMut() -> Option<Duration> + Send>(workers: Vec<W>, limit: Duration) -> Measured {
    let began = Instant::now();
    let latencies = thread::scope(|scope| {
        let each = |mut work: W| {
            scope.spawn(move || {
                let mut latencies = Vec::new();
                while began.elapsed() < limit {
                    let Some(latency) = work() else { break };
                    latencies.push(latency);
                }
                latencies
            })
        };
        let threads: Vec<_> = workers.into_iter().map(each).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    Measured::of(latencies, began.elapsed())
}

/// Runs something, and says how long it took.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    let done = work();
    (done, began.elapsed())
}

/// CPU time that a process has used, in seconds (proc(5): `utime` and `stime`, in hundredths).
pub(crate) fn cpu_time(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    let ticks: f64 = after_name.split_whitespace().skip(11).take(2).map(|field| field.parse::<f64>().unwrap()).sum();
    ticks / 100.0
}

/// Memory of a process that lies in RAM, in MiB.
pub(crate) fn memory(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}
