//! Whoever sits on the line between client and service: lies, or cuts it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use kartenbund::client::session::OpenSession;
use kartenbund::client::watch::WatchingDevice;

use super::*;

/// What is answered in place of the truth: the status, and the body or, for a redirection, where to go.
pub type Answer = (u16, Vec<u8>);

/// A status that says that nothing is answered at all.
const NOTHING: u16 = 0;

/// Where a line is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    Request,
    Answer,
}

/// Sits between client and service, and hands on what it likes.
pub struct Liar {
    pub address: String,
}

impl Liar {
    /// `lie` gets the path that was asked for and the service's answer.
    pub fn before(world: &World, lie: impl Fn(&str, Answer) -> Answer + Send + 'static) -> Self {
        Self::between(world, |_| true, lie)
    }

    /// Cuts the line at the requests that `is_cut` names: before the service hears of them, or before its answer is heard.
    pub fn cutting(world: &World, at: Cut, is_cut: impl Fn(&str) -> bool + Clone + Send + 'static) -> Self {
        let is_cut_too = is_cut.clone();
        let reaches = move |path: &str| at == Cut::Answer || !is_cut_too(path);
        Self::between(
            world,
            reaches,
            move |path, answer| {
                if at == Cut::Answer && is_cut(path) { (NOTHING, Vec::new()) } else { answer }
            },
        )
    }

    /// Answers the requests that `is_own` names itself; the service never hears of them.
    pub fn answering(world: &World, is_own: impl Fn(&str) -> bool + Clone + Send + 'static, answer: Answer) -> Self {
        let is_own_too = is_own.clone();
        let lie = move |path: &str, truth| if is_own_too(path) { answer.clone() } else { truth };
        Self::between(world, move |path| !is_own(path), lie)
    }

    fn between(
        world: &World,
        reaches: impl Fn(&str) -> bool + Send + 'static,
        lie: impl Fn(&str, Answer) -> Answer + Send + 'static,
    ) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), &world.address, reaches, lie)
    }

    /// A world that bears the address of the liar, and that people therefore reach through him alone. `reaches` says which
    /// requests the service hears of, and `answers` which of its answers are heard.
    pub fn in_front_of(
        world: impl FnOnce(&str) -> World,
        reaches: impl Fn(&str) -> bool + Send + 'static,
        answers: impl Fn(&str) -> bool + Send + 'static,
    ) -> (Self, World) {
        Self::lying_in_front_of(
            world,
            reaches,
            move |path, truth| {
                if answers(path) { truth } else { (NOTHING, Vec::new()) }
            },
        )
    }

    /// The same, where answers are other ones.
    pub fn lying_in_front_of(
        world: impl FnOnce(&str) -> World,
        reaches: impl Fn(&str) -> bool + Send + 'static,
        lie: impl Fn(&str, Answer) -> Answer + Send + 'static,
    ) -> (Self, World) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let world = world(&format!("http://{}", listener.local_addr().unwrap()));
        (Self::on(listener, &world.address, reaches, lie), world)
    }

    fn on(
        listener: TcpListener,
        service: &str,
        reaches: impl Fn(&str) -> bool + Send + 'static,
        lie: impl Fn(&str, Answer) -> Answer + Send + 'static,
    ) -> Self {
        let address = format!("http://{}", listener.local_addr().unwrap());
        let service = service.to_owned();
        std::thread::spawn(move || {
            for line in listener.incoming() {
                // A client that hangs up has heard enough.
                let _ = hand_on(line.unwrap(), &service, &reaches, &lie);
            }
        });
        Self { address }
    }

    /// What it says it is.
    pub fn service(&self) -> Remote {
        Remote::at(&self.address).unwrap()
    }

    /// The same computer with its device alone, on the line the liar sits in.
    pub fn deceives_device(&self, computer: &Computer) -> LoggedIn {
        let LoggedIn { home, profile, .. } = &computer.here;
        let device = WatchingDevice::of(home, profile.clone(), computer.clock.of_client()).unwrap();
        let service = self.service().with_device(device);
        LoggedIn { home: home.clone(), profile: profile.clone(), service }
    }

    /// The same computer with the same session, on the line the liar sits in.
    pub fn deceives(&self, computer: &Computer) -> Computer {
        let LoggedIn { home, profile, .. } = &computer.here;
        let session = OpenSession::resume(home.clone(), profile.clone(), computer.clock.of_client()).unwrap();
        let service = self.service().with_session(session);
        let here = LoggedIn { home: home.clone(), profile: profile.clone(), service };
        Computer { here, clock: computer.clock.clone() }
    }
}

fn hand_on(
    line: TcpStream,
    service: &str,
    reaches: &impl Fn(&str) -> bool,
    lie: &impl Fn(&str, Answer) -> Answer,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(line);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    if !request.ends_with('\n') {
        return Ok(()); // a client that was killed before it had asked for anything
    }
    let [method, path] = request.split(' ').take(2).map(str::to_owned).collect::<Vec<_>>().try_into().unwrap();
    let mut forwarded = reqwest::blocking::Client::new().request(method.parse().unwrap(), format!("{service}{path}"));
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap(),
            "authorization" | "content-type" | "dpop" => forwarded = forwarded.header(name, value),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let truth = match reaches(&path) {
        true => {
            let truth = forwarded.body(body).send().unwrap();
            (truth.status().as_u16(), truth.bytes().unwrap().to_vec())
        }
        false => (NOTHING, Vec::new()),
    };
    let (status, body) = lie(&path, truth);
    if status == NOTHING {
        return Ok(());
    }
    let (location, body) = if status == 302 {
        (format!("Location: {}\r\n", String::from_utf8(body).unwrap()), vec![])
    } else {
        (String::new(), body)
    };
    let head = format!("HTTP/1.1 {status} X\r\n{location}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    reader.get_mut().write_all(&[head.as_bytes(), &body].concat())
}
