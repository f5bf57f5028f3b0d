//! The methods of MCP, by name and back.

/// Declares [`Method`] and its names in one table.
macro_rules! methods {
    ($($variant:ident = $name:literal,)*) => {
        /// A JSON-RPC method of any revision of MCP (the `schema.ts` of each).
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub enum Method {
            $($variant,)*
            /// Anything else: an extension's method, or none at all.
            Other,
        }

        impl Method {
            /// Every method but [`Method::Other`].
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Names are matched exactly: `TOOLS/CALL` is no method of MCP.
            pub fn of(name: &str) -> Self {
                match name {
                    $($name => Self::$variant,)*
                    _ => Self::Other,
                }
            }

            /// The name on the wire; `other` for [`Method::Other`], so that it can label a metric.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Other => "other",
                }
            }
        }
    };
}

methods! {
    // lifecycle
    Initialize = "initialize",
    Initialized = "notifications/initialized",
    Discover = "server/discover",
    Ping = "ping",
    // what servers offer
    ToolsList = "tools/list",
    ToolsCall = "tools/call",
    PromptsList = "prompts/list",
    PromptsGet = "prompts/get",
    ResourcesList = "resources/list",
    ResourceTemplatesList = "resources/templates/list",
    ResourcesRead = "resources/read",
    ResourcesSubscribe = "resources/subscribe",
    ResourcesUnsubscribe = "resources/unsubscribe",
    Complete = "completion/complete",
    SetLevel = "logging/setLevel",
    SubscriptionsListen = "subscriptions/listen",
    TasksGet = "tasks/get",
    TasksResult = "tasks/result",
    TasksList = "tasks/list",
    TasksCancel = "tasks/cancel",
    TasksUpdate = "tasks/update",
    // what servers ask of clients
    SamplingCreateMessage = "sampling/createMessage",
    ElicitationCreate = "elicitation/create",
    RootsList = "roots/list",
    // notifications
    Cancelled = "notifications/cancelled",
    Progress = "notifications/progress",
    RootsListChanged = "notifications/roots/list_changed",
    ToolsListChanged = "notifications/tools/list_changed",
    PromptsListChanged = "notifications/prompts/list_changed",
    ResourcesListChanged = "notifications/resources/list_changed",
    ResourcesUpdated = "notifications/resources/updated",
    LogMessage = "notifications/message",
    ElicitationComplete = "notifications/elicitation/complete",
    SubscriptionsAcknowledged = "notifications/subscriptions/acknowledged",
    TasksStatus = "notifications/tasks/status",
    Tasks = "notifications/tasks",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_is_found_by_its_name_and_no_two_share_one() {
        for (place, &method) in Method::ALL.iter().enumerate() {
            assert_eq!(Method::of(method.as_str()), method);
            assert!(!Method::ALL[..place].contains(&method));
        }
    }

    #[test]
    fn a_name_in_another_case_or_with_blanks_is_no_method() {
        for name in ["TOOLS/CALL", "Tools/Call", " tools/call", "tools/call ", "", "other"] {
            assert_eq!(Method::of(name), Method::Other, "{name:?}");
        }
    }
}
