//! What is listed is what can be called, for every kind and every set of virtual servers.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

/// Items that a server has, by kind.
type Own = [HashSet<String>; 4];

/// Tools, prompts and resources that a virtual server names.
type Named = (Vec<String>, Option<Vec<String>>, Option<Vec<String>>);

fn own() -> impl Strategy<Value = Own> {
    [
        proptest::collection::hash_set("[a-c]", 0..3),
        proptest::collection::hash_set("[a-c]", 0..3),
        proptest::collection::hash_set("(f:/[ab]|f:/d/[ab]|mcp-gateway://s/a/f:/a)", 0..4),
        proptest::collection::hash_set(r"f:/(\{x\}|\{\+x\}|d/\{x\})", 0..3),
    ]
}

const NAME: &str = "(p_)?[a-c]";
const URI: &str = r"(mcp-gateway://s/[a-d]/){0,2}(f:/(d/)?[abz]|f:/\{x\}|f:/\{\+x\}|https://[a])";

fn gateway(servers: &[Own; 3], views: &[Named]) -> Snapshot {
    let mut spec = spec();
    let mut catalogue = Catalogue::default();
    spec.servers.clear();
    for (index, own) in servers.iter().enumerate() {
        let server = ServerSpec {
            prefix: Prefix::parse(if index == 1 { "p_" } else { "" }).unwrap(),
            ..server(["s/a", "s/b", "s/c"][index], &format!("h{index}"), "http://127.0.0.1:9/mcp")
        };
        let of = |primitive| {
            let mut names: Vec<_> = own[primitive as usize].iter().collect();
            names.sort_unstable();
            names.into_iter().map(|name| item(primitive, name)).collect()
        };
        let has_resources = !own[2].is_empty() || !own[3].is_empty();
        let found = Discovered {
            tools: of(Primitive::Tool),
            prompts: of(Primitive::Prompt),
            resources: of(Primitive::Resource),
            resource_templates: of(Primitive::ResourceTemplate),
            capabilities: mcp::ServerCapabilities(if has_resources {
                mcp::ServerCapabilities::RESOURCES
            } else {
                0
            }),
            ..discovered(false, vec![])
        };
        catalogue.servers.insert(server.name.clone(), Arc::new(found));
        spec.servers.push(server);
    }
    spec.virtual_servers = views
        .iter()
        .enumerate()
        .map(|(index, (tools, prompts, resources))| VirtualServerSpec {
            name: ObjectName::parse(&format!("v/v{index}")).unwrap(),
            tools: tools.clone(),
            prompts: prompts.clone(),
            resources: resources.clone(),
        })
        .collect();
    compile(&spec, &catalogue).0
}

/// Who answers the request that asks for that item.
fn asked(snapshot: &Snapshot, scopes: &[&str], primitive: Primitive, name: &str) -> Option<String> {
    let (method, params) = match primitive {
        Primitive::Tool => ("tools/call", serde_json::json!({"name": name})),
        Primitive::Prompt => ("prompts/get", serde_json::json!({"name": name})),
        Primitive::Resource => ("resources/read", serde_json::json!({"uri": name})),
        Primitive::ResourceTemplate => {
            ("completion/complete", serde_json::json!({"ref": {"type": "ref/resource", "uri": name}}))
        }
    };
    in_path::forwarded(snapshot, scopes, method, &params).ok()
}

fn shown(snapshot: &Snapshot, scopes: &[&str], primitive: Primitive) -> Vec<String> {
    names(&snapshot.scope(scopes).unwrap().page(primitive, None, 0).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_is_visible_is_callable_and_nothing_else(
        servers in [own(), own(), own()],
        views in proptest::collection::vec((
            proptest::collection::vec(NAME, 0..4),
            proptest::option::of(proptest::collection::vec(NAME, 0..4)),
            proptest::option::of(proptest::collection::vec(URI, 0..5)),
        ), 0..3),
        name in NAME,
        uri in URI,
    ) {
        let snapshot = gateway(&servers, &views);
        let names: Vec<String> = (0..views.len()).map(|index| format!("v/v{index}")).collect();
        let scopes: Vec<&str> = names.iter().map(String::as_str).collect();
        let scope = snapshot.scope(&scopes).unwrap();

        for primitive in [Primitive::Tool, Primitive::Prompt] {
            let is_visible = shown(&snapshot, &scopes, primitive).contains(&name);
            prop_assert_eq!(is_visible, asked(&snapshot, &scopes, primitive, &name).is_some());
        }
        let members: HashSet<&str> = scope.servers().iter().map(|server| server.name.as_str()).collect();
        for primitive in Primitive::ALL {
            for visible in shown(&snapshot, &scopes, primitive) {
                let item = scope.item(primitive, &visible).unwrap();
                prop_assert!(members.contains(item.server.name.as_str()));
                let expected = format!("{} {}", item.server.name, item.upstream);
                prop_assert_eq!(asked(&snapshot, &scopes, primitive, &visible), Some(expected), "{}", visible);
            }
        }
        // where a view names resources, what can be read is one of them or covered by a template of them
        if let Some((server, upstream)) = scope.resource(&uri) {
            for (name, (_, _, resources)) in scopes.iter().zip(&views) {
                let only = snapshot.scope(&[name]).unwrap();
                let is_covered = resources.iter().flatten().any(|exposed| {
                    let of = |primitive| only.item(primitive, exposed).filter(|item| item.server.name == server.name);
                    of(Primitive::Resource).is_some_and(|item| *item.upstream == *upstream)
                        || of(Primitive::ResourceTemplate).is_some_and(|item| item.matches(upstream))
                });
                prop_assert!(resources.is_none() || is_covered, "{} {}", uri, name);
            }
        }
    }

    #[test]
    fn an_exposed_uri_leads_back_to_its_server_and_in_no_scope_to_another(
        servers in [own(), own(), own()],
        views in proptest::collection::vec((
            proptest::collection::vec(NAME, 0..4),
            Just(None),
            proptest::option::of(proptest::collection::vec(URI, 0..5)),
        ), 1..3),
        other in URI,
    ) {
        let snapshot = gateway(&servers, &views);
        let everything = snapshot.scope(&[]).unwrap();
        for server in everything.servers() {
            let listed = servers.iter().flat_map(|own| &own[2]).map(String::as_str);
            for uri in listed.chain([&*other]) {
                let exposed = snapshot.exposed_uri(server, uri);
                let is_web = uri::is_web(uri);
                if !is_web {
                    let (to, upstream) = everything.resource(&exposed).unwrap();
                    prop_assert_eq!((to.name.as_str(), upstream), (server.name.as_str(), uri));
                }
                let leads_back = everything.resource(uri).is_some_and(|(to, upstream)| to.name == server.name && upstream == uri);
                prop_assert_eq!(&*exposed == uri, leads_back || is_web, "{}", uri);
                for index in 0..views.len() {
                    let name = format!("v/v{index}");
                    let scope = snapshot.scope(&[&name]).unwrap();
                    let is_member = scope.servers().iter().any(|member| member.name == server.name);
                    if let Some((to, _)) = scope.resource(&exposed).filter(|_| is_member && !is_web) {
                        prop_assert_eq!(&to.name, &server.name);
                    }
                }
            }
        }
    }
}
