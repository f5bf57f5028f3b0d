//! `mcp-gateway check`: its flags.

#![allow(clippy::doc_markdown, reason = "the doc comments of flags are shown as plain text by --help")]

use std::path::PathBuf;

use clap::Args;

#[derive(Args, Clone, Debug)]
pub struct Check {
    /// Configuration file, YAML or JSON
    #[arg(value_name = "FILE", required_unless_present = "schema")]
    pub file: Option<PathBuf>,
    /// Print the JSON Schema of configuration files instead
    #[arg(long)]
    pub schema: bool,
}
