//! One gateway behind one Envoy, with the servers that a test names.

use crate::common::{Client, Envoy, Everything, Gateway, PythonServer, eventually, free_port};

/// How Envoy and the gateway are put together; what must hold holds in each.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    Buffered,
    /// The oldest Envoy of the matrix.
    Buffered136,
    /// Bodies in pieces, both ways (`FULL_DUPLEX_STREAMED`).
    Duplex,
    /// The external processor on a Unix socket.
    Socket,
}

impl Shape {
    fn version(self) -> &'static str {
        match self {
            Self::Buffered | Self::Duplex | Self::Socket => "envoy",
            Self::Buffered136 => "envoy-1.36",
        }
    }

    fn bootstrap_arguments(self) -> &'static [&'static str] {
        match self {
            Self::Buffered | Self::Buffered136 | Self::Socket => &[],
            Self::Duplex => &["--body-mode", "full-duplex"],
        }
    }
}

/// Makes one test of each `async fn(Shape)` for each shape named.
macro_rules! in_shapes {
    ($($test:ident: $($shape:ident),+;)+) => {
        $(mod $test {
            $(
                #[allow(non_snake_case, reason = "named as the shape is")]
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $shape() {
                    super::$test(crate::setting::Shape::$shape).await;
                }
            )+
        })+
    };
}
pub(crate) use in_shapes;

/// A running gateway behind a running Envoy. Fields are dropped in order: Envoy first.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) envoy: Envoy,
    pub(crate) gateway: Gateway,
    /// `127.0.0.1:PORT` of Envoy.
    pub(crate) listen: String,
    pub(crate) http: reqwest::Client,
}

impl Setting {
    /// The gateway on a configuration with these `servers` (lines of YAML below `servers:`).
    pub(crate) async fn start(shape: Shape, servers: &str) -> Self {
        Self::start_with(shape, &config(servers), &[]).await
    }

    pub(crate) async fn start_with(shape: Shape, config: &str, arguments: &[&str]) -> Self {
        Self::start_edited(shape, config, arguments, |bootstrap| bootstrap).await
    }

    /// As `start_with`, with an Envoy whose bootstrap was edited.
    pub(crate) async fn start_edited(
        shape: Shape,
        config: &str,
        arguments: &[&str],
        edit: impl FnOnce(String) -> String,
    ) -> Self {
        let listen = format!("127.0.0.1:{}", free_port());
        let private = ["--private-host", &listen];
        let arguments = [&private, arguments].concat();
        let gateway = match shape {
            Shape::Socket => Gateway::start_on_socket(config, &arguments).await,
            Shape::Buffered | Shape::Buffered136 | Shape::Duplex => Gateway::start(config, &arguments).await,
        };
        let bootstrap = edit(gateway.bootstrap(&listen, shape.bootstrap_arguments()));
        let envoy = Envoy::start_version(shape.version(), &bootstrap).await;
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { envoy, gateway, listen, http }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/mcp", self.listen)
    }

    /// Waits until the tools of `server` are listed.
    pub(crate) async fn discovered(&self, server: &str) {
        eventually(&format!("{server} is discovered"), async || {
            let status = self.gateway.status().await;
            let found = status["servers"].as_array()?.iter().find(|found| found["name"] == server)?.clone();
            found["lastDiscovered"].as_u64().map(|_| ())
        })
        .await;
    }

    /// A connected Python client.
    pub(crate) async fn python(&self) -> Client {
        let mut client = Client::python().await;
        client.connect(&self.url()).await.unwrap();
        client
    }

    /// Everything that the gateway has shown to the world so far: its log and its admin pages.
    pub(crate) async fn shown(&self) -> String {
        let (status, metrics) = (self.gateway.page("/status").await, self.gateway.page("/metrics").await);
        [self.gateway.process.log(), self.envoy.process.log(), status, metrics].concat()
    }
}

/// A configuration with the public host that tests use.
pub(crate) fn config(servers: &str) -> String {
    format!("publicHost: 127.0.0.1\nservers:\n{servers}")
}

/// A server's lines in the configuration.
pub(crate) fn server(name: &str, url: &str, prefix: &str) -> String {
    format!(
        "  - {{name: test/{name}, url: \"{url}\", hostname: {name}.mcp.local, toolPrefix: \"{prefix}\"}}\n"
    )
}

/// A Python server (prefix `py_`) and server-everything (prefix `ev_`), discovered.
#[derive(Debug)]
pub(crate) struct TwoServers {
    pub(crate) setting: Setting,
    pub(crate) python: PythonServer,
    pub(crate) everything: Everything,
}

impl TwoServers {
    pub(crate) async fn start(shape: Shape) -> Self {
        Self::start_with(shape, &[]).await
    }

    pub(crate) async fn start_with(shape: Shape, arguments: &[&str]) -> Self {
        let (python, everything) = tokio::join!(PythonServer::start(&[]), Everything::start());
        let servers =
            [server("python", &python.url(), "py_"), server("everything", &everything.url(), "ev_")];
        let setting = Setting::start_with(shape, &config(&servers.concat()), arguments).await;
        setting.discovered("test/python").await;
        setting.discovered("test/everything").await;
        Self { setting, python, everything }
    }
}

/// A Python server alone, with prefix `py_`, discovered.
pub(crate) async fn one_server(shape: Shape, arguments: &[&str]) -> (Setting, PythonServer) {
    let python = PythonServer::start(arguments).await;
    let setting = Setting::start(shape, &server("python", &python.url(), "py_")).await;
    setting.discovered("test/python").await;
    (setting, python)
}

/// The session id that the gateway has given to a client.
pub(crate) async fn session_of(client: &mut Client) -> String {
    let seen = client.http().await;
    let id = seen.iter().find_map(|seen| seen["response"]["mcp-session-id"].as_str());
    id.unwrap_or_else(|| panic!("no answer had a session id: {seen:?}")).to_owned()
}

/// How many requests have reached a server through Envoy; the broker's own do not pass it.
pub(crate) fn through_envoy(server: &PythonServer) -> usize {
    server.requests().iter().filter(|request| request["headers"]["x-request-id"].is_string()).count()
}
