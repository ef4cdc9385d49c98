//! Answering on sockets, with TLS or without, until it is time to stop.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::RustlsAcceptor;
use axum_server::{Control, Handle, Server};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::handover::Acceptor;
use super::tls::{Certificate, TlsFiles};
use super::{ServerError, Service, admin, app, notice, sweep};

/// How long requests that run may take to come to their end once the service stops.
const LAST_REQUESTS: Duration = Duration::from_secs(30);
/// How long a connection may take for the head of a request, and how long it may be idle.
const HEAD: Duration = Duration::from_secs(30);
/// How often it is said again that no connection can be accepted.
const TELL_AGAIN: Duration = Duration::from_secs(10);
/// How often the files of certificates are looked at.
const CERTIFICATES: Duration = Duration::from_secs(1);

/// A socket, and its certificate where it speaks TLS.
#[derive(Debug)]
pub struct Listener {
    /// The socket.
    pub socket: TcpListener,
    /// Certificate and key; `None` for plain HTTP.
    pub tls: Option<TlsFiles>,
}

/// Where a service answers, and how it stops.
#[derive(Debug)]
pub struct Listeners {
    /// For everybody.
    pub public: Listener,
    /// For operators.
    pub admin: Option<Listener>,
    /// Plain HTTP may be spoken with other computers: a proxy with TLS stands before the service.
    pub behind_proxy: bool,
    /// How long `/readyz` says that the service stops before it takes no new connections.
    pub stop_delay: Duration,
}

impl Service {
    /// Answers on `listener` until `stop` is done; then lets the requests that run come to their end.
    ///
    /// # Errors
    /// [`ServerError::NotLoopback`], or the socket fails.
    pub async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ServerError> {
        let public = Listener { socket: listener, tls: None };
        let listeners = Listeners { public, admin: None, behind_proxy: false, stop_delay: Duration::ZERO };
        self.serve_on(listeners, stop).await
    }

    /// The same on several sockets, and with TLS.
    ///
    /// # Errors
    /// [`ServerError::NotLoopback`], [`ServerError::Tls`], or a socket fails.
    pub async fn serve_on(
        self: Arc<Self>,
        listeners: Listeners,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ServerError> {
        let control = Control::new();
        let mut certificates = Vec::new();
        let public = bind(listeners.public, listeners.behind_proxy, &control, &mut certificates)?;
        // Operators' tokens are no people's passwords, and pass no network in the clear either way: no proxy excuses it.
        let admin = listeners.admin.map(|listener| bind(listener, false, &control, &mut certificates)).transpose()?;

        let (stopping, stops) = watch::channel(false);
        let sweeper = tokio::spawn(sweep(Arc::clone(&self), stops.clone()));
        let sender = tokio::spawn(notice::sender::run(Arc::clone(&self), stops.clone()));
        let revocations = tokio::spawn(super::ocsp::look_after_devices(Arc::clone(&self), stops.clone()));
        let watcher = tokio::spawn(super::watch::run(Arc::clone(&self), stops.clone()));
        let lists = tokio::spawn(super::trust_list::look_after(Arc::clone(&self), stops.clone()));
        let reloader = tokio::spawn(reload(certificates, stops));
        let mut servers = JoinSet::new();
        servers.spawn(public.serve(app(Arc::clone(&self))));
        if let Some(admin) = admin {
            servers.spawn(admin.serve(admin::app(Arc::clone(&self))));
        }
        let service = Arc::clone(&self);
        let stopper = tokio::spawn(async move {
            stop.await;
            service.stopping.store(true, Ordering::Relaxed);
            service.watchers.close();
            tokio::time::sleep(listeners.stop_delay).await;
            control.graceful_shutdown(Some(LAST_REQUESTS));
        });

        let mut result = Ok(());
        while let Some(served) = servers.join_next().await {
            let served = served.map_err(std::io::Error::other).and_then(|served| served);
            if result.is_ok() {
                result = served;
            }
            if result.is_err() {
                servers.abort_all();
            }
        }
        stopper.abort();
        // Connections that were taken away from the servers are ended by whoever has them, who was told to.
        self.watchers.close();
        if tokio::time::timeout(LAST_REQUESTS, self.watchers.gone()).await.is_err() {
            tracing::warn!("programs that wait were cut off");
        }
        let _ = stopping.send(true);
        for task in [sweeper, sender, revocations, watcher, lists, reloader] {
            if let Err(error) = task.await {
                tracing::error!(%error, "a task in the background broke off");
            }
        }
        self.close().await;
        Ok(result?)
    }
}

/// A socket that is about to be served.
enum Bound {
    Plain(Server<SocketAddr, Acceptor<NoDelayAcceptor>>),
    Tls(Server<SocketAddr, Acceptor<RustlsAcceptor<NoDelayAcceptor>>>),
}

fn bind(
    listener: Listener,
    behind_proxy: bool,
    control: &Control,
    certificates: &mut Vec<Certificate>,
) -> Result<Bound, ServerError> {
    let address = listener.socket.local_addr()?;
    let mut server = Server::from_listener(listener.socket).handle(Handle::with_control(control.clone())).http1_only();
    server.http_builder().http1().header_read_timeout(HEAD);
    let server = server.accept_error_handler(not_accepted());
    let Some(files) = listener.tls else {
        if !address.ip().is_loopback() && !behind_proxy {
            return Err(ServerError::NotLoopback(address));
        }
        return Ok(Bound::Plain(server.acceptor(Acceptor(NoDelayAcceptor::new()))));
    };
    let certificate = Certificate::open(files)?;
    let in_use = certificate.in_use();
    certificates.push(certificate);
    // Without it the first answer on a line with TLS waits until the client has acknowledged its tickets, which takes 40 ms.
    let acceptor = RustlsAcceptor::new(in_use).acceptor(NoDelayAcceptor::new());
    Ok(Bound::Tls(server.acceptor(Acceptor(acceptor))))
}

/// A connection could not be taken: as a rule, there are as many files open as may be. What a client does wrong, as with
/// TLS, has its address and is its own affair.
fn not_accepted() -> impl Fn(Option<&SocketAddr>, &std::io::Error) + Send + Sync {
    let told = Mutex::new(None::<Instant>);
    move |client, error| {
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        if client.is_none() && told.is_none_or(|at| at.elapsed() >= TELL_AGAIN) {
            *told = Some(Instant::now());
            tracing::error!(%error, "no connection can be accepted; too few files may be open (LimitNOFILE)");
        }
    }
}

impl Bound {
    async fn serve(self, app: Router) -> std::io::Result<()> {
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        match self {
            Self::Plain(server) => server.serve(app).await,
            Self::Tls(server) => server.serve(app).await,
        }
    }
}

/// Looks for new certificates, again and again.
async fn reload(mut certificates: Vec<Certificate>, mut stops: watch::Receiver<bool>) {
    while tokio::time::timeout(CERTIFICATES, stops.changed()).await.is_err() {
        certificates.iter_mut().for_each(Certificate::reload_when_changed);
    }
}
