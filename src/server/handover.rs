//! Connections that are taken away from hyper. It keeps two buffers of 8 KiB for each as long as it has it, which is too much
//! for an answer that goes on for hours and mostly says nothing.
//!
//! hyper writes the head of the answer and its first chunk. Then the body offers what comes next; when hyper has flushed
//! what it had to write, and so holds nothing of the answer any more, the transport is handed over instead of being kept. On
//! the line nothing shows that. What follows is written as chunks (RFC 9112, 7.1) by whoever has taken it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::middleware::AddExtension;
use axum_server::accept::Accept;
use futures_util::Stream;
use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tower_layer::Layer as _;

/// How long a client may take to receive one chunk. It is hung up on then.
const PATIENCE: Duration = Duration::from_secs(30);

/// TCP, or TLS on it.
trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

type Next = Box<dyn FnOnce(Chunks) + Send>;

/// The transport, while hyper has it, and what is to be done with it when hyper is through.
struct Held {
    transport: Option<Box<dyn Transport>>,
    next: Option<Next>,
}

/// The connection that a request came on: an extension of each request.
#[derive(Clone)]
pub(super) struct Handover(Arc<Mutex<Held>>);

impl Handover {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The body of an answer that begins with `first` and goes on as `next` writes it. `next` is dropped where the client
    /// goes away before.
    pub(super) fn body<F>(self, first: Bytes, next: impl FnOnce(Chunks) -> F + Send + 'static) -> Body
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let next: Next = Box::new(|line| drop(tokio::spawn(next(line))));
        Body::from_stream(Leaving { line: self, first: Some(first), next: Some(next) })
    }
}

/// The body as hyper sees it.
struct Leaving {
    line: Handover,
    first: Option<Bytes>,
    next: Option<Next>,
}

impl Stream for Leaving {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        let next = self.next.take();
        let mut held = self.line.held();
        if let Some(next) = next {
            held.next = Some(next); // hyper flushes now
        }
        match held.transport {
            Some(_) => Poll::Pending,
            // It is about a transport that is not hyper's any more: hyper lets go of all it has.
            None => Poll::Ready(Some(Err(io::ErrorKind::BrokenPipe.into()))),
        }
    }
}

/// What hyper reads from and writes to.
pub(super) struct Line(Handover);

impl AsyncRead for Line {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.0.held().transport {
            Some(transport) => Pin::new(transport).poll_read(cx, buffer),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.0.held().transport {
            Some(transport) => Pin::new(transport).poll_write(cx, bytes),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0.held().transport {
            Some(transport) => Pin::new(transport).poll_write_vectored(cx, slices),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.0.held().transport.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    /// hyper asks for it when its own buffer is empty: this is the moment.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut held = self.0.held();
        let Some(transport) = &mut held.transport else { return Poll::Ready(Ok(())) };
        ready!(Pin::new(transport).poll_flush(cx))?;
        if let Some(next) = held.next.take() {
            if let Some(transport) = held.transport.take() {
                next(Chunks { transport, patience: PATIENCE });
            }
            cx.waker().wake_by_ref(); // hyper asks the body once more
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0.held().transport {
            Some(transport) => Pin::new(transport).poll_shutdown(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}

/// Accepts connections whose transport can be handed over.
#[derive(Clone)]
pub(super) struct Acceptor<A>(pub(super) A);

impl<A, I, S> Accept<I, S> for Acceptor<A>
where
    A: Accept<I, S>,
    A::Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    A::Future: Send + 'static,
    A::Service: Send,
{
    type Stream = Line;
    type Service = AddExtension<A::Service, Handover>;
    type Future = BoxFuture<'static, io::Result<(Self::Stream, Self::Service)>>;

    fn accept(&self, stream: I, service: S) -> Self::Future {
        let accepted = self.0.accept(stream, service);
        async move {
            let (stream, service) = accepted.await?;
            let held = Held { transport: Some(Box::new(stream)), next: None };
            let line = Handover(Arc::new(Mutex::new(held)));
            Ok((Line(line.clone()), Extension(line).layer(service)))
        }
        .boxed()
    }
}

/// A transport that was taken, in the middle of an answer in chunks. Dropped without [`Chunks::end`], the client sees that
/// the answer was cut off.
pub(super) struct Chunks {
    transport: Box<dyn Transport>,
    /// How long the client may take for one.
    patience: Duration,
}

impl Chunks {
    /// Sends one chunk, which is not empty.
    ///
    /// # Errors
    /// The client is gone, or does not read.
    pub(super) async fn send(&mut self, content: &[u8]) -> io::Result<()> {
        self.write(&[format!("{:x}\r\n", content.len()).as_bytes(), content, b"\r\n"].concat()).await
    }

    /// Ends the answer, and the connection with it.
    ///
    /// # Errors
    /// As for [`Self::send`].
    pub(super) async fn end(mut self) -> io::Result<()> {
        self.write(b"0\r\n\r\n").await?;
        self.transport.shutdown().await
    }

    /// Waits until the client is gone, or sends another request: it is told that this connection is closed, and sends that
    /// on another one.
    pub(super) async fn is_left(&mut self) {
        let _ = self.transport.read(&mut [0; 1]).await; // an error is an end as well
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = async {
            self.transport.write_all(bytes).await?;
            self.transport.flush().await
        };
        tokio::time::timeout(self.patience, written).await?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_does_not_read_is_hung_up_on() {
        let (here, mut there) = tokio::io::duplex(16);
        let mut line = Chunks { transport: Box::new(here), patience: Duration::from_millis(50) };
        line.send(b"eight by").await.unwrap();
        assert_eq!(line.send(b"eight by").await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(line);
        let mut received = Vec::new();
        there.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, b"8\r\neight by\r\n8\r\n", "it was cut off");
    }
}
