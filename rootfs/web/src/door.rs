//! What becomes of those who knock at a listening socket: for the gate, which must not knock itself
//! ([`crate::gate`]).

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use tokio::net::{TcpListener, TcpStream};

/// One listening socket's accept loop, as it sees itself.
#[derive(Clone)]
pub struct Door(Arc<Mutex<State>>);

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// Nobody was waited for yet.
    Closed,
    /// Who knocks is let in, or will be when a place is free: only those who were let in take one.
    Open,
    /// The last attempt to let somebody in failed.
    Failing(String),
}

impl Door {
    /// A door that nobody was waited for at.
    pub fn closed() -> Self {
        Self(Arc::new(Mutex::new(State::Closed)))
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for the next one who knocks.
    ///
    /// # Errors
    /// What the kernel says; the door is shut until it has somebody wait again, or lets one in.
    pub async fn next(&self, listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
        poll_fn(|context| {
            let next = listener.poll_accept(context);
            self.with(|state| {
                *state = match &next {
                    Poll::Pending | Poll::Ready(Ok(_)) => State::Open,
                    Poll::Ready(Err(error)) => State::Failing(error.to_string()),
                }
            });
            next
        })
        .await
    }

    /// Why nobody is let in.
    pub fn shut(&self) -> Option<String> {
        self.with(|state| match state {
            State::Closed => Some("nobody is waited for yet".to_owned()),
            State::Open => None,
            State::Failing(error) => Some(format!("accepting a connection: {error}")),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use rustix::net::{Shutdown, shutdown};
    use tokio::time::timeout;

    use super::*;

    async fn bound() -> TcpListener {
        let any = (Ipv4Addr::LOCALHOST, 0);
        TcpListener::bind(any).await.expect("bound")
    }

    #[tokio::test]
    async fn c80_it_is_open_while_it_lets_people_in_and_shut_when_it_cannot() {
        let (door, listener) = (Door::closed(), bound().await);
        assert!(door.shut().is_some());
        let short = Duration::from_millis(20);
        assert!(timeout(short, door.next(&listener)).await.is_err());
        assert_eq!(door.shut(), None);
        let address = listener.local_addr().expect("address");
        let client = TcpStream::connect(address).await.expect("connected");
        door.next(&listener).await.expect("let in");
        assert_eq!(door.shut(), None);
        drop(client);
        // A socket that does not listen.
        shutdown(&listener, Shutdown::Both).expect("shut down");
        door.next(&listener).await.expect_err("nobody can come");
        let why = door.shut().expect("shut");
        assert!(why.contains("Invalid argument"), "{why}");
    }
}
