//! The definitions of the custom resources, which the types in `src` make.

use mcp_gateway::controller::crd::definitions;

use crate::render::{deploy, read};

#[test]
fn the_definitions_are_what_the_types_say() {
    for definition in definitions().unwrap() {
        for folder in ["crds", "chart/crds"] {
            let path = deploy().join(folder).join(&definition.file);
            assert!(
                read(&path) == definition.to_yaml(),
                "{} is not what the types say; write it again with `cargo run -- crds --dir deploy/{folder}`",
                path.display()
            );
        }
    }
}
