//! The gateway's `instructions`: those of its servers, each under its name.

use std::{fmt::Write, sync::Arc};

use crate::{broker::limits::MAX_ALL_INSTRUCTIONS, routing::Server};

const INTRODUCTION: &str = "One endpoint for several MCP servers. What each says of its use:\n";
/// Room for the line that says how many are left out.
const LAST_LINE: usize = 100;

/// The instructions of `servers`, in their order, at most [`MAX_ALL_INSTRUCTIONS`] bytes; none where no server has any.
pub(super) fn merged(servers: &[&Arc<Server>]) -> Option<String> {
    let mut text = INTRODUCTION.to_owned();
    let mut left_out = 0_usize;
    for server in servers {
        let Some(instructions) = &server.instructions else { continue };
        let section = section(server.name.as_str(), server.prefix.as_str(), instructions);
        if text.len() + section.len() + LAST_LINE > MAX_ALL_INSTRUCTIONS {
            left_out += 1;
        } else {
            text.push_str(&section);
        }
    }
    if left_out > 0 {
        _ = write!(text, "\nLeft out for their length: the instructions of {left_out} more.\n");
    }
    (text.len() > INTRODUCTION.len()).then_some(text)
}

/// A server's own headings stand below the one with its name, so that none of its lines can pretend to begin the
/// instructions of another.
fn section(name: &str, prefix: &str, instructions: &str) -> String {
    let tools = if prefix.is_empty() { String::new() } else { format!(" (tools begin with {prefix})") };
    let mut section = format!("\n## {name}{tools}\n");
    for line in instructions.lines() {
        let heading = line.trim_start();
        if heading.starts_with('#') {
            section.extend(["##", heading, "\n"]);
        } else {
            section.extend([line, "\n"]);
        }
    }
    section
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        mcp::Revision,
        routing::{Catalogue, Discovered, Prefix, ServerSpec, Snapshot, Spec, compile, fixture},
    };

    fn snapshot(servers: &[(&str, &str, Option<&str>)]) -> Snapshot {
        let mut catalogue = Catalogue::default();
        let specs = servers.iter().map(|(name, prefix, instructions)| {
            let prefix = Prefix::parse(prefix).unwrap();
            let host = format!("{}.local", name.replace('/', "."));
            let spec = ServerSpec { prefix, ..fixture::server(name, &host, "http://127.0.0.1:9/mcp") };
            let instructions = instructions.map(Into::into);
            let found = Discovered { instructions, ..Discovered::new(Revision::LATEST) };
            catalogue.servers.insert(spec.name.clone(), Arc::new(found));
            spec
        });
        let spec = Spec { servers: specs.collect(), ..Spec::default() };
        compile(&spec, &catalogue).0
    }

    fn all(names: &[String], snapshot: &Snapshot) -> Option<String> {
        merged(&names.iter().map(|name| snapshot.server(name).unwrap()).collect::<Vec<_>>())
    }

    #[test]
    fn each_server_speaks_under_its_own_name() {
        let told = "Use get.\n # Notes\n## b\nEnd";
        let snapshot = snapshot(&[("ns/a", "a_", Some(told)), ("b", "", Some("Hi")), ("c", "", None)]);
        let expected = [
            INTRODUCTION,
            "\n## ns/a (tools begin with a_)\nUse get.\n### Notes\n#### b\nEnd\n",
            "\n## b\nHi\n",
        ];
        let names = ["ns/a", "b", "c"].map(str::to_owned);
        assert_eq!(all(&names, &snapshot).unwrap(), expected.concat());
        assert_eq!(all(&names[2..], &snapshot), None);
    }

    #[test]
    fn what_does_not_fit_is_left_out_and_counted() {
        let long = "x".repeat(4096);
        let names: Vec<String> = (0..20).map(|number| format!("s{number}")).collect();
        let servers: Vec<_> = names.iter().map(|name| (name.as_str(), "", Some(long.as_str()))).collect();
        let text = all(&names, &snapshot(&servers)).unwrap();
        assert!(text.len() <= MAX_ALL_INSTRUCTIONS && text.len() > MAX_ALL_INSTRUCTIONS - 4096 - 200);
        assert!(
            text.ends_with("Left out for their length: the instructions of 13 more.\n"),
            "{}",
            text.len()
        );
        assert_eq!(text.matches("## s").count(), 7);
    }
}
