//! What a virtual server lists: the names of tools and prompts, and URIs.

use std::collections::HashSet;

use super::{build::Findings, problem::Place};

/// A kind of list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    Tools,
    Prompts,
    Resources,
}

impl Listed {
    /// The field it stands in.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
        }
    }

    /// What `name` must be and is not; `None`: nothing.
    pub fn wrong(self, name: &str) -> Option<&'static str> {
        let (longest, rule) = match self {
            Self::Tools => (128, "must be a tool's name: 1 to 128 bytes without blanks"),
            Self::Prompts => (256, "must be a prompt's name: 1 to 256 bytes without control characters"),
            Self::Resources => (2304, "must be a URI or a URI template: 1 to 2304 bytes without blanks"),
        };
        let blanks = self != Self::Prompts && name.contains(char::is_whitespace);
        let fits = !name.is_empty() && name.len() <= longest && !blanks && !name.contains(char::is_control);
        (!fits).then_some(rule)
    }

    /// The list that is written at `place`.
    pub(super) fn read(
        self,
        written: Vec<Option<String>>,
        place: &Place,
        findings: &mut Findings<'_>,
    ) -> Vec<String> {
        if written.is_empty() && self == Self::Tools {
            findings.problem(place, "names no tool", "list the tools, or remove the virtual server");
        }
        let mut seen = HashSet::new();
        for (index, name) in written.iter().enumerate() {
            let Some(name) = name else { continue };
            let place = place.item(index);
            if let Some(rule) = self.wrong(name) {
                findings.problem(&place, rule, "write it as clients see it in the list, prefix included");
            } else if !seen.insert(name) {
                findings.problem(&place, format!("{name} is listed twice"), "remove one of the two");
            }
        }
        written.into_iter().flatten().collect()
    }
}
