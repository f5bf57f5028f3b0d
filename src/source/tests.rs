//! Files with mistakes, and what is said about them.

use std::{fs, path::PathBuf, time::Duration};

use super::*;
use crate::routing::{CallCredential, Spec};

struct Folder(tempfile::TempDir);

impl Folder {
    fn with(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        Self(folder)
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("gateway.yaml")
    }

    fn spec(&self) -> Spec {
        let read = read(&self.file(), &Overrides::default());
        read.unwrap_or_else(|problems| panic!("{}", report(&self.file(), &problems))).spec
    }

    /// What `check` prints, the folder left out.
    fn said(&self) -> String {
        let checked = check(&self.file(), &Overrides::default());
        checked.text.replace(&format!("{}/", self.0.path().display()), "")
    }
}

fn said(text: &str) -> String {
    Folder::with(&[("gateway.yaml", text)]).said()
}

const SECRET: &str = "hunter2-credential";

#[test]
fn the_example_of_the_readme_is_read() {
    let folder = Folder::with(&[
        ("token", "Bearer abc\n"),
        (
            "gateway.yaml",
            r#"
publicHost: MCP.example.com
allowedOrigins: ["https://inspector.example.com"]
servers:
  - name: mcp-test/github
    url: https://api.githubcopilot.com/mcp/
    hostname: github.mcp.local
    toolPrefix: github_
    credentialFile: token
    callCredential: never
    timeouts: {connect: 500ms, request: 2m}
  - {name: mcp-test/files, url: "http://127.0.0.1:3001", enabled: false}
  - {name: search, url: "http://localhost:3002/", path: /v1/mcp}
virtualServers:
  - {name: mcp-test/readers, tools: [github_get_me], description: for reading}
requireSession: true
limits: {body: 64KiB, page: 100}
"#,
        ),
    ]);
    let spec = folder.spec();
    assert_eq!(format!("{:?}", spec.public_hosts), r#"["mcp.example.com"]"#);
    let urls: Vec<_> = spec.servers.iter().map(|server| server.url.as_str()).collect();
    assert_eq!(
        urls,
        ["https://api.githubcopilot.com/mcp/", "http://127.0.0.1:3001/mcp", "http://localhost:3002/v1/mcp"]
    );
    let hosts: Vec<_> = spec.servers.iter().map(|server| server.hostname.as_str()).collect();
    assert_eq!(hosts, ["github.mcp.local", "files.mcp-test.mcp.local", "search.mcp.local"]);
    assert!(spec.servers[0].credential.is_some());
    assert_eq!(spec.servers[0].call_credential, CallCredential::Never);
    assert_eq!(spec.servers[0].timeouts.connect, Duration::from_millis(500));
    assert_eq!(spec.servers[0].timeouts.request, Duration::from_mins(2));
    assert!(!spec.servers[1].enabled);
    assert_eq!(spec.virtual_servers[0].tools, ["github_get_me"]);
    assert!(spec.require_session);
    assert_eq!((spec.limits.body, spec.limits.page), (65536, 100));
    insta::assert_snapshot!(folder.said(), @r#"
    gateway.yaml is good
      public host    mcp.example.com
      server         mcp-test/github -> https://api.githubcopilot.com/mcp/ as github.mcp.local
      server         mcp-test/files -> http://127.0.0.1:3001/mcp as files.mcp-test.mcp.local (disabled)
      server         search -> http://localhost:3002/v1/mcp as search.mcp.local
      virtual server mcp-test/readers of 1 tools
    "#);
}

#[test]
fn json_is_read_too() {
    let text = "{\n\t\"publicHost\": [\"a.example\", \"b.example\"],\n\t\"servers\": [{\"name\": \"a\", \"url\": \"http:\\/\\/a/mcp?x=1\"}]\n}\n";
    let spec = Folder::with(&[("gateway.yaml", text)]).spec();
    assert_eq!(spec.public_hosts.len(), 2);
    assert_eq!(spec.servers[0].url.as_str(), "http://a/mcp?x=1");
}

#[test]
fn every_name_and_type_is_said_at_once_with_its_line() {
    insta::assert_snapshot!(said("\
publichost: a.example
allowedOrigins: https://a.example
servers:
  - name: 5
    urll: http://a
    tool_prefix: a_
    prefix: b_
    enabled: yes
    callCredential: always
    timeouts: {connect: 5, total: 1s}
  - 7
  - {name: b, url: http://b, colour: red, credential: }
virtualServers: {}
requireSession: \"true\"
limits: {page: 1.5, body: [1]}
"), @r#"
    gateway.yaml:1:1: publichost: is not the name of a field here
      fix: did you mean `publicHost`?
    gateway.yaml:1:1: `publicHost` is missing
      fix: add `publicHost: HOST`, the host that clients name
    gateway.yaml:2:17: allowedOrigins: must be a list, not text
      fix: write a list
    gateway.yaml:4:5: servers[0]: `url` is missing
      fix: add `url: ...`
    gateway.yaml:4:11: servers[0].name: must be text, not a number
      fix: put it in quotes
    gateway.yaml:5:5: servers[0].urll: is not the name of a field here
      fix: did you mean `url`?
    gateway.yaml:6:5: servers[0].tool_prefix: is not the name of a field here
      fix: did you mean `toolPrefix`?
    gateway.yaml:7:5: servers[0].prefix: is not the name of a field here
      fix: did you mean `toolPrefix`?
    gateway.yaml:8:14: servers[0].enabled: must be true or false, not text
      fix: write true or false
    gateway.yaml:9:21: servers[0].callCredential: must be one of whenAbsent, replace, never
      fix: choose one of them
    gateway.yaml:10:25: servers[0].timeouts.connect: must be text, not a number
      fix: write for example `5s`
    gateway.yaml:10:28: servers[0].timeouts.total: is not the name of a field here
      fix: remove it, or use one of connect, request
    gateway.yaml:11:5: servers[1]: must be fields (`name: value`), not a number
      fix: write fields (`name: value`)
    gateway.yaml:12:30: servers[2].colour: is not the name of a field here
      fix: remove it, or use one of name, url, hostname, toolPrefix, path, credentialFile, credential, callCredential, enabled, caBundle, timeouts
    gateway.yaml:12:53: servers[2].credential: must be text, not empty
      fix: write a value, or remove the field
    gateway.yaml:13:17: virtualServers: must be a list, not fields
      fix: write a list
    gateway.yaml:14:17: requireSession: must be true or false, not text
      fix: write true or false
    gateway.yaml:15:16: limits.page: must be a whole number, not a number with a fraction
      fix: write a whole number
    gateway.yaml:15:27: limits.body: must be a whole number or text, not a list
      fix: write for example `4MiB`
    "#);
}

fn folder_of_mistakes() -> Folder {
    Folder::with(&[
        ("empty", " \n"),
        ("two-lines", &format!("Bearer {SECRET}\nBearer {SECRET}\n")),
        ("ca.pem", "nothing here\n"),
        ("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        (
            "gateway.yaml",
            &format!(
                "\
publicHost: [a.example, 'https://b.example', A.example]
allowedOrigins: ['https://a.example/', '*', 'https://b.example']
servers:
  - {{name: a, url: 'ftp://a', hostname: a.example}}
  - {{name: a, url: 'http://me:{SECRET}@a', hostname: 'b:80'}}
  - {{name: Wrong, url: 'http://a#x', toolPrefix: _x}}
  - {{name: b, url: 'http://a b', credential: 'Bearer {SECRET}', credentialFile: empty}}
  - {{name: c, url: 'nothing', credentialFile: empty}}
  - {{name: d, url: 'http://a:0', credentialFile: two-lines, path: mcp}}
  - {{name: e, url: 'https://a', credentialFile: absent, caBundle: ca.pem}}
  - {{name: f, url: 'https://', credential: \"{SECRET}\\u0007\", caBundle: broken.pem}}
  - {{name: g, url: 'https://a', credentialFile: ., caBundle: absent, hostname: dup}}
  - {{name: h, url: 'https://a', hostname: DUP, timeouts: {{connect: 5, request: 0s}}}}
virtualServers:
  - {{name: v, tools: []}}
  - {{name: v, tools: [x, x, '', 'a b'], prompts: [a b, ''], resources: ['a b:']}}
limits: {{body: 65MiB, page: 1000000}}
"
            ),
        ),
    ])
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn every_meaning_is_said_at_once_with_its_line() {
    let said = folder_of_mistakes().said();
    assert!(!said.contains(SECRET), "{said}");
    insta::assert_snapshot!(said, @r#"
    gateway.yaml:1:25: publicHost[1]: "https://b.example" must be a host name without scheme, port or final dot
      fix: write the host alone, such as `mcp.example.com`
    gateway.yaml:1:46: publicHost[2]: a.example is written twice
      fix: remove one of the two
    gateway.yaml:2:18: allowedOrigins[0]: "https://a.example/" must be `http://host[:port]` or `https://host[:port]`
      fix: write what browsers send, such as `https://app.example.com`, without a path or a default port
    gateway.yaml:2:40: allowedOrigins[1]: "*" must be `http://host[:port]` or `https://host[:port]`
      fix: write what browsers send, such as `https://app.example.com`, without a path or a default port
    gateway.yaml:4:20: servers[0].url: must begin with `http://` or `https://`
      fix: write for example `https://api.example.com/mcp`
    gateway.yaml:4:41: servers[0].hostname: a.example is a public host
      fix: choose one that clients do not name, such as `NAME.mcp.local`
    gateway.yaml:5:12: servers[1].name: a is also the name of servers[0]
      fix: give each server its own name
    gateway.yaml:5:20: servers[1].url: has a user name or a password
      fix: use `credentialFile`
    gateway.yaml:5:64: servers[1].hostname: "b:80" must be a host name without scheme, port or final dot
      fix: write for example `github.mcp.local`
    gateway.yaml:6:12: servers[2].name: "Wrong" must be `namespace/name` or `name`, of lower case letters, digits, `-` and `.`
      fix: write a name such as `mcp-test/github`
    gateway.yaml:6:24: servers[2].url: has a fragment
      fix: remove the `#` and what follows
    gateway.yaml:6:50: servers[2].toolPrefix: "_x" must be lower case letters, digits and `_`, and not begin with `_`
      fix: write a prefix such as `github_`
    gateway.yaml:7:20: servers[3].url: has a blank or a control character
      fix: remove it, or write it as %20
    gateway.yaml:7:91: servers[3].credentialFile: stands beside `credential`
      fix: keep one of the two
    gateway.yaml:8:20: servers[4].url: is not a URL
      fix: write for example `https://api.example.com/mcp`
    gateway.yaml:8:47: servers[4].credentialFile: empty: the credential is empty; write the full header value, such as `Bearer` and a token
      fix: give it the whole header value, such as `Bearer ...`, on one line
    gateway.yaml:9:20: servers[5].url: has port 0
      fix: write the server's port
    gateway.yaml:9:50: servers[5].credentialFile: two-lines: the credential has a line break or another character that no header value can carry; write it on one line in visible ASCII
      fix: give it the whole header value, such as `Bearer ...`, on one line
    gateway.yaml:10:49: servers[6].credentialFile: absent does not exist
      fix: give it the whole header value, such as `Bearer ...`, on one line
    gateway.yaml:10:67: servers[6].caBundle: ca.pem has no certificate
      fix: name a PEM file with the certificates of the authorities
    gateway.yaml:11:20: servers[7].url: is not a URL
      fix: write for example `https://api.example.com/mcp`
    gateway.yaml:11:44: servers[7].credential: the credential has a line break or another character that no header value can carry; write it on one line in visible ASCII
      fix: write the whole header value, such as `Bearer ...`, on one line
    gateway.yaml:11:82: servers[7].caBundle: broken.pem has a certificate that cannot be read
      fix: name a PEM file with the certificates of the authorities
    gateway.yaml:12:49: servers[8].credentialFile: . is not a regular file
      fix: give it the whole header value, such as `Bearer ...`, on one line
    gateway.yaml:12:62: servers[8].caBundle: absent does not exist
      fix: name a PEM file with the certificates of the authorities
    gateway.yaml:13:43: servers[9].hostname: dup is also the hostname of servers[8]
      fix: give each server its own `hostname`
    gateway.yaml:13:68: servers[9].timeouts.connect: must be text, not a number
      fix: write for example `5s`
    gateway.yaml:13:80: servers[9].timeouts.request: must be more than zero
      fix: write for example `30s`
    gateway.yaml:15:22: virtualServers[0].tools: names no tool
      fix: list the tools, or remove the virtual server
    gateway.yaml:16:12: virtualServers[1].name: v is also the name of virtualServers[0]
      fix: give each virtual server its own name
    gateway.yaml:16:26: virtualServers[1].tools[1]: x is listed twice
      fix: remove one of the two
    gateway.yaml:16:29: virtualServers[1].tools[2]: must be a tool's name: 1 to 128 bytes without blanks
      fix: write it as clients see it in the list, prefix included
    gateway.yaml:16:33: virtualServers[1].tools[3]: must be a tool's name: 1 to 128 bytes without blanks
      fix: write it as clients see it in the list, prefix included
    gateway.yaml:16:56: virtualServers[1].prompts[1]: must be a prompt's name: 1 to 256 bytes without control characters
      fix: write it as clients see it in the list, prefix included
    gateway.yaml:16:73: virtualServers[1].resources[0]: must be a URI or a URI template: 1 to 2304 bytes without blanks
      fix: write it as clients see it in the list, prefix included
    gateway.yaml:17:16: limits.body: must be 1KiB to 64MiB
      fix: write for example `4MiB`
    gateway.yaml:17:29: limits.page: must be at most 100000
      fix: write a number of at most 100000
    "#);
}

#[test]
fn a_file_without_anything_says_what_is_missing() {
    insta::assert_snapshot!(said("# nothing yet\n"), @r#"
    gateway.yaml:1:1: `publicHost` is missing
      fix: add `publicHost: HOST`, the host that clients name
    "#);
    insta::assert_snapshot!(said("publicHost: a\nservers: [{}]\nvirtualServers: [{}]\n"), @r#"
    gateway.yaml:2:11: servers[0]: `name` is missing
      fix: add `name: ...`
    gateway.yaml:2:11: servers[0]: `url` is missing
      fix: add `url: ...`
    gateway.yaml:3:18: virtualServers[0]: `name` is missing
      fix: add `name: ...`
    gateway.yaml:3:18: virtualServers[0]: `tools` is missing
      fix: add `tools: ...`
    "#);
}

#[test]
fn syntax_is_said_with_its_line() {
    for (text, line) in [
        ("publicHost: a\n  servers: []\n", "gateway.yaml:2:10: not YAML"),
        ("publicHost: [a\n", "gateway.yaml:2:1: not YAML"),
        ("publicHost: a\npublicHost: b\n", "gateway.yaml:2:1: publicHost: is written twice"),
        ("publicHost: a\n---\npublicHost: b\n", "gateway.yaml:2:1: a second document begins"),
        ("publicHost: *a\n", "gateway.yaml:1:13: not YAML"),
        ("? [a]\n: b\n", "gateway.yaml:1:3: the name of a field is not text"),
        ("- a\n", "gateway.yaml:1:1: must be fields"),
        ("text", "gateway.yaml:1:1: must be fields"),
        ("publicHost: \"a\n", "gateway.yaml:1:13: not YAML"),
        ("{\"publicHost\": \"a\",}}", "gateway.yaml:1:21: not YAML"),
        ("\u{0}", "gateway.yaml:1:1: not YAML"),
    ] {
        let said = said(text);
        assert!(said.starts_with(line), "{text:?} says {said}");
    }
}

#[test]
fn aliases_are_read_and_cannot_fill_the_memory() {
    let spec = Folder::with(&[(
        "gateway.yaml",
        "publicHost: a\nservers:\n  - {name: a, url: &url 'http://a'}\n  - {name: b, url: *url}\n",
    )]);
    assert_eq!(spec.spec().servers[1].url.as_str(), "http://a/mcp");
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (one, other) in "abcdefghijkl".chars().zip("bcdefghijklm".chars()) {
        let aliases = vec![format!("*{one}"); 10].join(", ");
        bomb += &[other.to_string(), format!(": &{other} [{aliases}]\n")].concat();
    }
    assert!(said(&bomb).contains("more than 1000000 values"));
    assert!(said("a: &a [*a]\n").contains("inside its own anchor"));
}

#[test]
fn a_hostile_file_ends_in_problems_and_soon() {
    for deep in ["[", "{a: ", "- "] {
        for times in [40, 200_000] {
            let said = said(&deep.repeat(times));
            assert!(said.contains("nested too deeply") || said.contains("not YAML"), "{deep}: {said}");
        }
    }
    let many = (0..5000).map(|n| format!("field{n}: 1\n")).collect::<Vec<_>>().concat();
    let said_of_many = said(&many);
    assert_eq!(said_of_many.lines().count(), 2 * (MAX_PROBLEMS + 1), "{said_of_many}");
    assert!(said_of_many.contains("there are 4901 more problems"), "{said_of_many}");
    let big = format!("# {}\n", "x".repeat(usize::try_from(MAX_FILE_BYTES).unwrap()));
    assert!(said(&big).contains("is larger than 16777216 bytes"));
    let servers = (0..=MAX_SERVERS)
        .map(|n| format!("  - {{name: s{n}, url: 'http://a'}}\n"))
        .collect::<Vec<_>>()
        .concat();
    assert!(said(&format!("publicHost: a\nservers:\n{servers}")).contains("keep at most 10000"));
    assert!(Folder::with(&[]).said().starts_with("gateway.yaml: does not exist\n  fix: name a YAML"));
    let folder = Folder::with(&[]);
    fs::create_dir(folder.file()).unwrap();
    assert!(folder.said().contains("is not a regular file"));
    fs::remove_dir(folder.file()).unwrap();
    fs::write(folder.file(), b"publicHost: \xff\n").unwrap();
    assert!(folder.said().contains("is not UTF-8 text"));
}

#[test]
fn what_is_seldom_meant_is_a_warning() {
    insta::assert_snapshot!(said("\
publicHost: a.example
servers:
  - {name: a, url: 'http://elsewhere/mcp', credential: Bearer x, toolPrefix: gh_}
  - {name: b, url: 'http://localhost/mcp', credential: Bearer x, toolPrefix: gh_x_}
  - {name: c, url: 'http://[::1]:80/mcp', credential: Bearer x, toolPrefix: gh_}
  - {name: d, url: 'http://127.0.0.2/mcp', credential: Bearer x, toolPrefix: gi_}
"), @r#"
    gateway.yaml:3:20: warning: servers[0].url: sends the credential without TLS to another machine
      fix: use https
    gateway.yaml:4:78: warning: servers[1].toolPrefix: begins with the prefix "gh_" of c
      fix: tool names of the two can clash; choose another prefix
    gateway.yaml is good
      public host    a.example
      server         a -> http://elsewhere/mcp as a.mcp.local
      server         b -> http://localhost/mcp as b.mcp.local
      server         c -> http://[::1]/mcp as c.mcp.local
      server         d -> http://127.0.0.2/mcp as d.mcp.local
    "#);
}

#[test]
fn the_public_host_can_come_from_elsewhere() {
    let folder = Folder::with(&[("gateway.yaml", "servers: []\n")]);
    let overrides = Overrides { public_hosts: vec![crate::routing::Authority::parse("b.example").unwrap()] };
    assert_eq!(read(&folder.file(), &overrides).unwrap().spec.public_hosts, overrides.public_hosts);
    assert!(read(&folder.file(), &Overrides::default()).is_err());
}

#[test]
fn the_schema_is_what_editors_are_given() {
    insta::assert_snapshot!("schema", schema_text());
    let schema: serde_json::Value = serde_json::from_str(&schema_text()).unwrap();
    let example = &schema["examples"][0];
    assert!(jsonschema::draft202012::new(&schema).unwrap().is_valid(example));
}

#[test]
fn no_debug_shows_a_credential() {
    let text = format!("publicHost: a\nservers: [{{name: a, url: 'http://a', credential: {SECRET}}}]\n");
    let folder = Folder::with(&[("gateway.yaml", &text)]);
    let loaded = read(&folder.file(), &Overrides::default()).unwrap();
    assert!(loaded.spec.servers[0].credential.is_some());
    assert!(!format!("{loaded:?}").contains(SECRET));
    assert!(!folder.said().contains(SECRET));
}
