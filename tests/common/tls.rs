//! An MCP server over TLS, with certificates that are made for the run.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{HeaderMap, HeaderName};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use tempfile::TempDir;

const LIST: &str = r#"{"tools":[{"name":"add","inputSchema":{"type":"object"}}]}"#;
const CALLED: &str = r#"{"content":[{"type":"text","text":"3"}]}"#;

/// A certificate authority, whose own certificate is in a file.
pub struct CertificateAuthority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl CertificateAuthority {
    pub fn generate() -> Self {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // under the name of the certificates that it signs, those would pass for self-signed ones
        authority.distinguished_name.push(DnType::CommonName, "an authority of this run");
        let issuer = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let authority = Self { issuer, folder: tempfile::tempdir().unwrap() };
        fs::write(authority.bundle(), authority.issuer.pem()).unwrap();
        authority
    }

    /// The file with its certificate.
    pub fn bundle(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A server's side of TLS, with a new certificate for `name`.
    fn certify(&self, name: &str) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let chain = vec![certificate.der().clone()];
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Arc::new(config)
    }
}

/// MCP over TLS on a loopback port, with sessions and the tool `add`; each connection carries one request.
pub struct TlsServer {
    pub port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    config: Mutex<Arc<ServerConfig>>,
    requests: Mutex<Vec<TlsRequest>>,
}

/// One request that the server has read.
#[derive(Clone, Debug)]
pub struct TlsRequest {
    /// The server name that the client asked for in its handshake.
    pub sni: Option<String>,
    pub headers: HeaderMap,
    /// `null` without a body.
    pub body: Value,
}

impl TlsRequest {
    /// The JSON-RPC method; empty without a body.
    pub fn method(&self) -> &str {
        self.body["method"].as_str().unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

impl TlsServer {
    /// Serves with a certificate of `authority` for `name`.
    pub fn start(authority: &CertificateAuthority, name: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared =
            Arc::new(Shared { config: Mutex::new(authority.certify(name)), requests: Mutex::default() });
        let server = Self { port, shared: Arc::clone(&shared) };
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || answer(&shared, socket.unwrap()));
            }
        });
        server
    }

    /// From now on shows a certificate of `authority` for `name`.
    pub fn certify(&self, authority: &CertificateAuthority, name: &str) {
        *locked(&self.shared.config) = authority.certify(name);
    }

    /// Everything it has read so far.
    pub fn requests(&self) -> Vec<TlsRequest> {
        locked(&self.shared.requests).clone()
    }
}

/// Answers one request; `None`: the client has gone, as one does that does not believe the certificate.
fn answer(shared: &Shared, socket: TcpStream) -> Option<()> {
    let config = Arc::clone(&locked(&shared.config));
    let mut stream = BufReader::new(StreamOwned::new(ServerConnection::new(config).unwrap(), socket));
    let headers = read_head(&mut stream)?;
    let length = headers.get("content-length").map_or(0, |length| length.to_str().unwrap().parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    let sni = stream.get_ref().conn.server_name().map(str::to_owned);
    let request = TlsRequest { sni, headers, body: serde_json::from_slice(&body).unwrap_or_default() };
    let (status, result) = match request.method() {
        "initialize" => {
            let result = json!({"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": "tls", "version": "1"}});
            ("200 OK", result.to_string())
        }
        "tools/list" => ("200 OK", LIST.to_owned()),
        "tools/call" => ("200 OK", CALLED.to_owned()),
        "" => ("405 Method Not Allowed", String::new()),
        _ => ("202 Accepted", String::new()),
    };
    let body = if result.is_empty() {
        result
    } else {
        format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, request.body["id"])
    };
    locked(&shared.requests).push(request);
    respond(stream.get_mut(), status, &body)
}

/// The header fields of an HTTP/1.1 request.
fn read_head(stream: &mut impl BufRead) -> Option<HeaderMap> {
    let (mut headers, mut line) = (HeaderMap::new(), String::new());
    loop {
        line.clear();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            return Some(headers);
        }
        if let Some((name, value)) = line.split_once(": ") {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, value.trim_end().parse().unwrap());
        }
    }
}

fn respond(tls: &mut StreamOwned<ServerConnection, TcpStream>, status: &str, body: &str) -> Option<()> {
    let head = "content-type: application/json\r\nmcp-session-id: tls-session\r\nconnection: close";
    let response = format!("HTTP/1.1 {status}\r\n{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    tls.write_all(response.as_bytes()).ok()?;
    tls.conn.send_close_notify();
    tls.flush().ok()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
