//! Fixtures behind the gateway and a real Envoy.

use crate::common::{Envoy, Gateway, eventually, free_port};

/// Fields are dropped in order: Envoy first.
#[derive(Debug)]
pub(crate) struct Behind {
    _envoy: Envoy,
    gateway: Gateway,
    pub(crate) url: String,
}

/// The name, the URL and the prefix of a server.
type Server<'a> = (&'a str, &'a str, &'a str);

impl Behind {
    /// The newest Envoy and a gateway in front of `servers`, every one discovered.
    pub(crate) async fn start(servers: &[Server<'_>]) -> Self {
        Self::start_version("envoy", servers).await
    }

    /// As `start`, with `version` of Envoy: `envoy` or `envoy-1.36`.
    pub(crate) async fn start_version(version: &str, servers: &[Server<'_>]) -> Self {
        let listen = format!("127.0.0.1:{}", free_port());
        let gateway = Gateway::start(&configuration(servers), &["--private-host", &listen]).await;
        let envoy = Envoy::start_version(version, &gateway.bootstrap(&listen, &[])).await;
        let behind = Self { _envoy: envoy, gateway, url: format!("http://{listen}/mcp") };
        for (name, ..) in servers {
            behind.discovered(&format!("test/{name}")).await;
        }
        behind
    }

    async fn discovered(&self, server: &str) {
        eventually(&format!("{server} is discovered"), async || {
            let status = self.gateway.status().await;
            let found = status["servers"].as_array()?.iter().find(|found| found["name"] == server)?.clone();
            found["lastDiscovered"].as_u64().map(|_| ())
        })
        .await;
    }
}

/// The two local hosts and no others, so that the gateway can tell a page's request that was rebound to them.
fn configuration(servers: &[Server<'_>]) -> String {
    let servers = servers.iter().map(|(name, url, prefix)| {
        format!("  - {{name: test/{name}, url: \"{url}\", hostname: {name}.mcp.local, toolPrefix: \"{prefix}\"}}\n")
    });
    format!("publicHost: [127.0.0.1, localhost]\nservers:\n{}", servers.collect::<String>())
}
