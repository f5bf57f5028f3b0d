//! Clients that leave: many streams that are reset at once must not hurt anybody else's.

use std::fmt::Write as _;

use crate::{
    fleet::{Endpoint, Fleet},
    load,
    nginx::Nginx,
    plan::{self, Cell, Variant},
    server::McpServer,
};

/// How long the client calls that stays; others come and leave meanwhile, a second each.
const SECONDS: u32 = 10;
const STAYING: u32 = 32;
const LEAVING: u32 = 256;
const VARIANTS: [Variant; 4] = [Variant::NoOp, Variant::NoOpCalm, Variant::Gateway, Variant::GatewayPrefix];

/// Measures, and says it.
pub(crate) async fn section(nginx: &Nginx, server: &McpServer) -> String {
    let fleet = Fleet::start(plan::BASE, &VARIANTS, nginx, server).await;
    let mut page = format!(
        "\n### Clients that leave\n\n{STAYING} connections call for {SECONDS} s; meanwhile {LEAVING} others call for a second \
         and leave in the middle of a call, again and again. Failed: of the calls of those that stay.\n\n\
         | | calls | failed |\n| --- | --- | --- |\n"
    );
    for variant in VARIANTS {
        eprintln!("calls: clients that leave, {variant}");
        let (calls, failed) = staying(fleet.endpoint(variant)).await;
        _ = writeln!(page, "| {variant} | {calls} | {failed} |");
    }
    eprint!("{page}");
    page
}

/// Calls of the connections that stay, and how many of them failed.
async fn staying(endpoint: &Endpoint) -> (u64, u64) {
    let load = |connections| Cell { connections, ..plan::cells().swap_remove(0) };
    let (stays, leaves) = (load(STAYING), load(LEAVING));
    let staying = load::wrk(&stays, endpoint, SECONDS);
    let leaving = async {
        loop {
            load::wrk(&leaves, endpoint, 1).await;
        }
    };
    tokio::select! {
        measured = staying => (measured.requests, measured.errors),
        () = leaving => unreachable!("they come again"),
    }
}
