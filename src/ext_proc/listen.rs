//! Where Envoy connects: a TCP port or a Unix socket.

use std::{
    fmt, io,
    net::SocketAddr,
    os::unix::fs::{FileTypeExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    str::FromStr,
};

use tokio::net::{TcpListener, UnixListener, UnixStream};

use super::serve::Connection;

/// Who may connect to the Unix socket: its owner and group.
const SOCKET_MODE: u32 = 0o660;

/// An address to listen on: `HOST:PORT` with an IP address, or `unix:/path`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// Why nothing listens.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("{0:?} is no address to listen on: write `0.0.0.0:50051` or `unix:/path/to/socket`")]
    Unreadable(String),
    #[error("cannot listen on {address}: {error}")]
    Refused { address: Listen, error: io::Error },
    #[error("cannot listen on unix:{}: there is a file that is no socket; remove it or name another path", .0.display())]
    NoSocket(PathBuf),
    #[error("cannot listen on unix:{}: another process does", .0.display())]
    InUse(PathBuf),
}

impl FromStr for Listen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unreadable = || ListenError::Unreadable(text.to_owned());
        match text.strip_prefix("unix:") {
            Some(path) if path.starts_with('/') => Ok(Self::Unix(path.into())),
            Some(_) => Err(unreadable()),
            None => text.parse().map(Self::Tcp).map_err(|_syntax| unreadable()),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Listen {
    /// Takes the address. A socket file that nobody listens on any more is replaced.
    pub async fn bind(&self) -> Result<Bound, ListenError> {
        let refused = |error| ListenError::Refused { address: self.clone(), error };
        match self {
            Self::Tcp(address) => TcpListener::bind(address).await.map(Bound::Tcp).map_err(refused),
            Self::Unix(path) => {
                remove_stale(path).await?;
                let listener = UnixListener::bind(path).map_err(refused)?;
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(SOCKET_MODE))
                    .map_err(refused)?;
                Ok(Bound::Unix(listener, Socket(path.clone())))
            }
        }
    }
}

async fn remove_stale(path: &Path) -> Result<(), ListenError> {
    let Ok(found) = std::fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !found.file_type().is_socket() {
        return Err(ListenError::NoSocket(path.to_owned()));
    }
    if UnixStream::connect(path).await.is_ok() {
        return Err(ListenError::InUse(path.to_owned()));
    }
    std::fs::remove_file(path)
        .map_err(|error| ListenError::Refused { address: Listen::Unix(path.to_owned()), error })
}

/// A taken address.
#[derive(Debug)]
pub enum Bound {
    Tcp(TcpListener),
    Unix(UnixListener, Socket),
}

impl Bound {
    /// The address itself: the real port where 0 was asked for.
    pub fn address(&self) -> io::Result<Listen> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Listen::Tcp),
            Self::Unix(_, socket) => Ok(Listen::Unix(socket.0.clone())),
        }
    }
}

impl Bound {
    /// Waits for a connection, and lets go of it so that another thread can serve it.
    pub(super) async fn accept(&self) -> io::Result<Connection> {
        match self {
            Self::Tcp(listener) => listener.accept().await?.0.into_std().map(Connection::Tcp),
            Self::Unix(listener, _) => listener.accept().await?.0.into_std().map(Connection::Unix),
        }
    }
}

/// A socket file, removed in the end.
#[derive(Debug)]
pub struct Socket(PathBuf);

impl Drop for Socket {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::debug!(path = %self.0.display(), %error, "the socket file stays");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_an_ip_and_a_port_or_an_absolute_path() {
        assert_eq!("127.0.0.1:0".parse::<Listen>().unwrap().to_string(), "127.0.0.1:0");
        assert_eq!("[::]:50051".parse::<Listen>().unwrap().to_string(), "[::]:50051");
        assert_eq!("unix:/run/a.sock".parse::<Listen>().unwrap(), Listen::Unix("/run/a.sock".into()));
        for bad in ["", "50051", "localhost:50051", "unix:", "unix:a.sock", "/run/a.sock"] {
            assert!(bad.parse::<Listen>().is_err(), "{bad:?}");
        }
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let listen = Listen::Unix(path.clone());
        drop(UnixListener::bind(&path).unwrap());
        let bound = listen.bind().await.unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, SOCKET_MODE);
        assert!(matches!(listen.bind().await, Err(ListenError::InUse(_))));
        drop(bound);
        assert!(!path.exists(), "the socket file is removed in the end");
        std::fs::write(&path, "precious").unwrap();
        assert!(matches!(listen.bind().await, Err(ListenError::NoSocket(_))));
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    }
}
