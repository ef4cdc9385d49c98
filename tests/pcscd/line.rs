//! The line between a computer and the insurer, with somebody who can cut it.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;

/// A line whose far end is known later. It passes on what comes, until a `PUT` whose answer it is told to lose.
pub(crate) struct Line {
    near_end: SocketAddr,
    far_end: Arc<OnceLock<SocketAddr>>,
    loses: Arc<AtomicBool>,
}

impl Line {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near_end = listener.local_addr().unwrap();
        let (far_end, loses) = (Arc::<OnceLock<SocketAddr>>::default(), Arc::<AtomicBool>::default());
        let (to, loses_answer) = (Arc::clone(&far_end), Arc::clone(&loses));
        // It ends with the tests.
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let far = TcpStream::connect(to.get().unwrap()).unwrap();
                let is_lost = Arc::new(AtomicBool::new(false));
                let (marks, looks, arms) = (Arc::clone(&is_lost), is_lost, Arc::clone(&loses_answer));
                let (near_again, far_again) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                thread::spawn(move || {
                    pass(near, far, |request| {
                        if request.starts_with(b"PUT ") && arms.swap(false, Ordering::SeqCst) {
                            marks.store(true, Ordering::SeqCst);
                        }
                        true
                    });
                });
                thread::spawn(move || pass(far_again, near_again, |_| !looks.load(Ordering::SeqCst)));
            }
        });
        Self { near_end, far_end, loses }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.near_end)
    }

    pub(crate) fn connect_to(&self, far_end: SocketAddr) {
        self.far_end.set(far_end).unwrap();
    }

    /// The answer to the next `PUT` comes back as far as here.
    pub(crate) fn lose_the_next_answer(&self) {
        self.loses.store(true, Ordering::SeqCst);
    }

    /// Whether that has happened.
    pub(crate) fn has_lost_it(&self) -> bool {
        !self.loses.load(Ordering::SeqCst)
    }
}

/// Passes bytes on for as long as `may_pass` says so, and then cuts both ways.
fn pass(mut from: TcpStream, mut to: TcpStream, may_pass: impl Fn(&[u8]) -> bool) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if !may_pass(&bytes[..count]) || to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
