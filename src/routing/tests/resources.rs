//! Resources, templates and prompts of several servers: who has a URI, and how clients see it.

use super::*;
use crate::mcp::ServerCapabilities;

const RESOURCES: ServerCapabilities = ServerCapabilities(ServerCapabilities::RESOURCES);

/// Servers `s/1`, `s/2`, …, each with one tool `t1`, `t2`, … and the resources and templates given (templates have a
/// brace in them).
fn gateway(servers: &[(ServerCapabilities, &[&str])]) -> (Spec, Catalogue) {
    let (mut spec, mut catalogue) =
        (Spec { servers: vec![], virtual_servers: vec![], ..spec() }, Catalogue::default());
    for (index, (capabilities, uris)) in servers.iter().enumerate() {
        let number = index + 1;
        let server = server(&format!("s/{number}"), &format!("h{number}"), "http://127.0.0.1:9/mcp");
        let of = |primitive, has_brace| {
            uris.iter().filter(|uri| uri.contains('{') == has_brace).map(|uri| item(primitive, uri)).collect()
        };
        let found = Discovered {
            resources: of(Primitive::Resource, false),
            resource_templates: of(Primitive::ResourceTemplate, true),
            capabilities: *capabilities,
            ..discovered(false, vec![tool(&format!("t{number}"), None)])
        };
        catalogue.servers.insert(server.name.clone(), Arc::new(found));
        spec.servers.push(server);
    }
    (spec, catalogue)
}

fn compiled(servers: &[(ServerCapabilities, &[&str])]) -> Snapshot {
    let (spec, catalogue) = gateway(servers);
    compile(&spec, &catalogue).0
}

fn view(name: &str, tools: &[&str], resources: Option<&[&str]>) -> VirtualServerSpec {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    VirtualServerSpec {
        name: ObjectName::parse(name).unwrap(),
        tools: owned(tools),
        prompts: None,
        resources: resources.map(owned),
    }
}

/// `SERVER UPSTREAM`, or nothing.
fn read(snapshot: &Snapshot, scopes: &[&str], uri: &str) -> String {
    let found =
        snapshot.scope(scopes).unwrap().resource(uri).map(|(server, uri)| format!("{} {uri}", server.name));
    found.unwrap_or_default()
}

fn shown(snapshot: &Snapshot, scopes: &[&str], primitive: Primitive) -> Vec<String> {
    names(&snapshot.scope(scopes).unwrap().page(primitive, None, 0).unwrap())
}

#[test]
fn a_uri_of_two_servers_is_the_first_ones_and_in_prefix_form_the_others() {
    let snapshot =
        compiled(&[(RESOURCES, &["f:/a", "f:/{x}"]), (RESOURCES, &["f:/a", "f:/b", "f:/{x}", "g:/{x}"])]);
    assert_eq!(shown(&snapshot, &[], Primitive::Resource), ["f:/a", "f:/b", "mcp-gateway://s/2/f:/a"]);
    let templates = shown(&snapshot, &[], Primitive::ResourceTemplate);
    assert_eq!(templates, ["f:/{x}", "g:/{x}", "mcp-gateway://s/2/f:/{x}"]);
    for (uri, to) in [
        ("f:/a", "s/1 f:/a"),
        ("f:/b", "s/2 f:/b"),
        ("mcp-gateway://s/2/f:/a", "s/2 f:/a"),
        ("f:/other", "s/1 f:/other"),
        ("mcp-gateway://s/2/f:/other", "s/2 f:/other"),
        ("g:/x", "s/2 g:/x"),
        ("h:/x", ""),
    ] {
        assert_eq!(read(&snapshot, &[], uri), to, "{uri}");
    }
    let item = snapshot.all().listing(Primitive::Resource).item("mcp-gateway://s/2/f:/a").unwrap();
    assert_eq!(item.json(), r#"{"x":1,"uri":"mcp-gateway://s/2/f:/a","y":["f:/a"]}"#);
}

#[test]
fn a_uri_in_an_answer_is_changed_only_where_it_would_lead_elsewhere() {
    let snapshot = compiled(&[
        (RESOURCES, &["f:/a", "f:/{x}", "https://w/a"]),
        (RESOURCES, &["f:/a", "f:/b", "https://w/a", "https://l/{x}"]),
    ]);
    let [one, two] = snapshot.servers_in_order() else { panic!() };
    for (server, uri, exposed) in [
        (one, "f:/a", "f:/a"),
        (one, "f:/c", "f:/c"),
        (one, "f:/b", "mcp-gateway://s/1/f:/b"),
        (one, "g:/a", "mcp-gateway://s/1/g:/a"),
        (one, "mcp-gateway://s/2/f:/a", "mcp-gateway://s/1/mcp-gateway://s/2/f:/a"),
        (one, "https://w/a", "https://w/a"),
        (one, "https://w/other", "https://w/other"),
        (two, "f:/a", "mcp-gateway://s/2/f:/a"),
        (two, "f:/b", "f:/b"),
        (two, "f:/c", "mcp-gateway://s/2/f:/c"),
        (two, "https://w/a", "mcp-gateway://s/2/https://w/a"),
        (two, "HTTP://w/other", "HTTP://w/other"),
        (two, "https://l/x", "https://l/x"),
    ] {
        assert_eq!(snapshot.exposed_uri(server, uri), exposed, "{} {uri}", server.name);
    }
    assert_eq!(snapshot.resource_servers(), 2);
}

#[test]
fn the_only_server_with_resources_gets_what_nobody_lists() {
    let none = ServerCapabilities::default();
    let snapshot = compiled(&[(none, &[]), (RESOURCES, &["f:/a"])]);
    assert_eq!((read(&snapshot, &[], "x:/y"), snapshot.resource_servers()), ("s/2 x:/y".to_owned(), 1));
    let [one, two] = snapshot.servers_in_order() else { panic!() };
    assert_eq!(snapshot.exposed_uri(two, "x:/y"), "x:/y");
    assert_eq!(snapshot.exposed_uri(one, "x:/y"), "mcp-gateway://s/1/x:/y");
    assert_eq!(read(&compiled(&[(none, &[]), (none, &[])]), &[], "x:/y"), "");
}

#[test]
fn nobody_can_offer_what_looks_like_anothers() {
    let snapshot =
        compiled(&[(RESOURCES, &["mcp-gateway://s/2/f:/a", "MCP-Gateway://s/2/f:/b"]), (RESOURCES, &[])]);
    let forms = ["mcp-gateway://s/1/MCP-Gateway://s/2/f:/b", "mcp-gateway://s/1/mcp-gateway://s/2/f:/a"];
    assert_eq!(shown(&snapshot, &[], Primitive::Resource), forms);
    assert_eq!(read(&snapshot, &[], "mcp-gateway://s/2/f:/a"), "s/2 f:/a");
    assert_eq!(read(&snapshot, &[], "MCP-Gateway://s/2/f:/b"), "");
    assert_eq!(read(&snapshot, &[], forms[1]), "s/1 mcp-gateway://s/2/f:/a");
}

#[test]
fn what_is_named_in_prefix_form_is_not_the_server_s_uri_that_looks_so() {
    let own = "mcp-gateway://s/2/f:/a";
    let (mut spec, catalogue) = gateway(&[(RESOURCES, &["f:/a"]), (RESOURCES, &["f:/a", own])]);
    spec.virtual_servers = vec![view("v/a", &[], Some(&[own]))];
    let (snapshot, _) = compile(&spec, &catalogue);
    assert_eq!(read(&snapshot, &["v/a"], own), "s/2 f:/a");
    assert_eq!(read(&snapshot, &["v/a"], &format!("mcp-gateway://s/2/{own}")), "");
}

#[test]
fn a_virtual_server_reads_what_its_servers_have_or_only_what_it_names() {
    let (mut spec, catalogue) = gateway(&[
        (RESOURCES, &["f:/a", "f:/{x}"]),
        (RESOURCES, &["f:/a", "f:/d/{x}"]),
        (RESOURCES, &["g:/a"]),
    ]);
    spec.virtual_servers = vec![
        view("v/two", &["t2"], None),
        view("v/named", &["t1", "t2", "t3"], Some(&["mcp-gateway://s/2/f:/a", "f:/{x}", "gone:/x"])),
        view("v/only", &[], Some(&["g:/a"])),
        view("v/none", &["t1"], Some(&[])),
    ];
    let (snapshot, _) = compile(&spec, &catalogue);
    for (scope, uri, to) in [
        ("v/two", "f:/a", "s/2 f:/a"),
        ("v/two", "mcp-gateway://s/2/f:/a", "s/2 f:/a"),
        ("v/two", "f:/d/1", "s/2 f:/d/1"),
        ("v/two", "x:/y", "s/2 x:/y"),
        ("v/two", "mcp-gateway://s/1/f:/a", ""),
        ("v/named", "mcp-gateway://s/2/f:/a", "s/2 f:/a"),
        ("v/named", "f:/a", "s/1 f:/a"),
        ("v/named", "f:/b", "s/1 f:/b"),
        ("v/named", "f:/d/1", ""),
        ("v/named", "mcp-gateway://s/2/f:/d/1", ""),
        ("v/named", "g:/a", ""),
        ("v/only", "g:/a", "s/3 g:/a"),
        ("v/only", "mcp-gateway://s/3/g:/a", "s/3 g:/a"),
        ("v/only", "g:/b", ""),
        ("v/none", "f:/a", ""),
    ] {
        assert_eq!(read(&snapshot, &[scope], uri), to, "{scope} {uri}");
    }
    assert_eq!(shown(&snapshot, &["v/two"], Primitive::Resource), ["mcp-gateway://s/2/f:/a"]);
    assert_eq!(read(&snapshot, &["v/two", "v/named"], "mcp-gateway://s/2/f:/a"), "s/2 f:/a");
    assert_eq!(read(&snapshot, &["v/two", "v/named"], "f:/d/1"), "");
    assert_eq!(shown(&snapshot, &["v/only", "v/named"], Primitive::Resource), Vec::<String>::new());
    let named = spec.virtual_servers[1].resources.as_deref().unwrap();
    assert_eq!(snapshot.missing_resources(named), ["gone:/x"]);
    assert_eq!(snapshot.missing_prompts(&["p".to_owned()]), ["p"]);
    let members = |scopes: &[&str]| -> Vec<String> {
        snapshot.scope(scopes).unwrap().servers().iter().map(|server| server.name.to_string()).collect()
    };
    assert_eq!(members(&[]), ["s/1", "s/2", "s/3"]);
    assert_eq!(members(&["v/only"]), ["s/3"]);
    assert_eq!(members(&["v/two", "v/named"]), ["s/2"]);
}

#[test]
fn a_completion_names_a_template_as_it_is_exposed() {
    let snapshot = compiled(&[(RESOURCES, &["f:/{x}"]), (RESOURCES, &["f:/{x}", "f:/a"])]);
    let scope = snapshot.scope(&[]).unwrap();
    for (template, to) in [
        ("f:/{x}", ("s/1", "f:/{x}")),
        ("mcp-gateway://s/2/f:/{x}", ("s/2", "f:/{x}")),
        ("f:/a", ("s/2", "f:/a")),
    ] {
        let (server, upstream) = scope.template(template).unwrap();
        assert_eq!((server.name.as_str(), upstream), to, "{template}");
    }
}

#[test]
fn prompts_clash_as_tools_do_and_virtual_servers_may_name_them() {
    let (mut spec, mut catalogue) = gateway(&[(RESOURCES, &[]), (RESOURCES, &[]), (RESOURCES, &[])]);
    spec.servers[1].prefix = Prefix::parse("two_").unwrap();
    for found in catalogue.servers.values_mut() {
        Arc::make_mut(found).prompts = vec![item(Primitive::Prompt, "p")];
    }
    spec.virtual_servers = vec![
        view("v/tools", &["t1"], None),
        VirtualServerSpec { prompts: Some(vec!["two_p".to_owned()]), ..view("v/named", &["t1"], None) },
    ];
    let (snapshot, conflicts) = compile(&spec, &catalogue);
    assert_eq!(shown(&snapshot, &[], Primitive::Prompt), ["p", "two_p"]);
    assert_eq!(shown(&snapshot, &["v/tools"], Primitive::Prompt), ["p"]);
    assert_eq!(shown(&snapshot, &["v/named"], Primitive::Prompt), ["two_p"]);
    let [conflict] = &conflicts[..] else { panic!("{conflicts:?}") };
    let Conflict { server, primitive, name, owner } = conflict;
    assert_eq!(
        (server.as_str(), *primitive, &**name, owner.as_str()),
        ("s/3", Primitive::Prompt, "p", "s/1")
    );
}

#[test]
fn the_user_interface_of_a_tool_is_named_as_it_is_exposed() {
    let (spec, mut catalogue) = gateway(&[(RESOURCES, &["ui://a"]), (RESOURCES, &["ui://a", "ui://b"])]);
    let json = |a: &str| {
        let ui = format!(
            r#"{{"ui/resourceUri":"ui:\/\/b","ui":{{ "resourceUri" : "{a}","visibility":["app"]}}}}"#
        );
        format!(r#"{{"_meta":{ui},"name":"t2","_other":{{"ui":{{"resourceUri":"ui://a"}}}}}}"#)
    };
    for found in catalogue.servers.values_mut() {
        let tool = &mut Arc::make_mut(found).tools[0];
        if &*tool.name == "t2" {
            tool.json = json("ui://a").into();
            tool.name_span = mcp::members(&tool.json).unwrap()[1].1;
        }
    }
    let (snapshot, _) = compile(&spec, &catalogue);
    let tool = snapshot.all().listing(Primitive::Tool).item("t2").unwrap();
    assert_eq!(tool.json(), json("mcp-gateway://s/2/ui://a"));
}

#[test]
fn pages_of_resources_follow_each_other() {
    let snapshot = compiled(&[(RESOURCES, &["f:/a", "f:/b"]), (RESOURCES, &["f:/a", "f:/c"])]);
    let scope = snapshot.scope(&[]).unwrap();
    let (mut seen, mut cursor) = (Vec::new(), None);
    for _ in 0..4 {
        let page = scope.page(Primitive::Resource, cursor.as_deref(), 1).unwrap();
        seen.extend(names(&page));
        cursor = page.next;
    }
    assert_eq!((seen, cursor), (shown(&snapshot, &[], Primitive::Resource), None));
}
