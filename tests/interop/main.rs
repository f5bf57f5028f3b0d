//! Clients and servers that are not ours, each with each, through real Envoy and the gateway.
//!
//! What works stands in README.md; `UPDATE_README=1 cargo test --test interop` writes it there.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and may say where it is"
)]
#![allow(clippy::disallowed_methods, reason = "UPDATE_README is read where it is used")]
#![allow(clippy::needless_pass_by_value, reason = "`json!` arguments read better without `&`")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../envoy/setting.rs"]
#[allow(dead_code, unused_imports, unused_macros, reason = "shared with tests/envoy, which uses all of it")]
mod setting;

mod clients;
mod rust_client;
mod rust_server;
mod servers;
mod table;

use clients::clients;
use common::eventually;
use serde_json::json;
use servers::{Server, servers};
use setting::{Setting, Shape, server};
use table::Table;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_client_gets_everything_from_every_server() {
    let servers = servers().await;
    let lines = servers.iter().map(|known| server(known.name, &known.url, &known.prefix()));
    let setting = Setting::start(Shape::Buffered, &lines.collect::<String>()).await;
    for known in &servers {
        setting.discovered(&format!("test/{}", known.name)).await;
    }
    listed(&setting, "everything_trigger-elicitation-request").await;
    let mut table = Table::new(&servers);
    for mut client in clients(&setting.url()).await {
        for known in &servers {
            let cell = cell(&mut client, known).await;
            table.add(&client.title, cell);
        }
    }
    assert!(table.failures.is_empty(), "{}", table.failures.join("\n"));
    table.hold_to_readme();
}

/// Waits for a tool that its server offers only once it knows its client.
async fn listed(setting: &Setting, tool: &str) {
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    eventually(&format!("{tool} is listed"), async || {
        let response = setting.http.post(setting.url()).json(&list).send().await.ok()?;
        response.text().await.ok()?.contains(tool).then_some(())
    })
    .await;
}

/// What the client could do with the server, and what it could not and should.
async fn cell(client: &mut clients::Client, server: &Server) -> table::Cell {
    let mut cell = table::Cell { server: server.name, ..table::Cell::default() };
    for check in &server.checks {
        if client.lacks.contains(&check.feature) {
            cell.left_out = true;
            continue;
        }
        match client.ask(check.ask.clone()).await {
            Ok(result) if (check.holds)(&result) => cell.works.push(check.feature),
            Ok(result) => cell.failures.push(format!("{:?}: {result}", check.feature)),
            Err(error) => cell.failures.push(format!("{:?}: {error}", check.feature)),
        }
    }
    cell
}
