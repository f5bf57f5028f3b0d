//! Any `Spec`, printed, split, put together and read back.

use std::{collections::BTreeMap, fs, time::Duration};

use k8s_openapi::ByteString;
use proptest::{
    collection::{btree_set, vec},
    option,
    prelude::*,
};
use secrecy::SecretString;

use super::{
    shards::{Entries, Head, is_whole, part, split_by},
    *,
};
use crate::{
    credentials::{CredentialPart, reveal},
    routing::{
        Authority, CallCredential, Limits, ObjectName, Origin, Prefix, ServerSpec, Spec, Timeouts,
        VirtualServerSpec, fixture,
    },
};

/// All of it, the secrets too.
fn seen(spec: &Spec) -> String {
    let credentials: Vec<_> =
        spec.servers.iter().map(|server| server.credential.as_ref().map(shown)).collect();
    format!("{spec:?} {credentials:?}")
}

fn shown(secret: &SecretString) -> String {
    String::from_utf8(reveal(secret, CredentialPart::Whole)).unwrap()
}

fn read_back(text: &SecretString) -> Spec {
    read_text(&shown(text), &Overrides::default()).unwrap().spec
}

prop_compose! {
    fn server(number: usize)(
        namespace in "[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?",
        url in "https?://[a-z][a-z0-9]{0,9}\\.example(:[1-9][0-9]{0,3})?(/[a-zA-Z0-9%._~!'\"-]{0,9})?(\\?[a-z]=[a-z:#{}&'\"]{0,5})?",
        prefix in "([a-z0-9][a-z0-9_]{0,9})?",
        // any header value; blanks around it are none of it
        credential in option::of("[!-~]([ -~]{0,40}[!-~])?"),
        call_credential in prop_oneof![
            Just(CallCredential::WhenAbsent), Just(CallCredential::Replace), Just(CallCredential::Never)
        ],
        enabled: bool,
        connect in 1..=3_600_000_u64,
        request in 1..=3_600_000_u64,
    ) -> Option<ServerSpec> {
        Some(ServerSpec {
            name: ObjectName::parse(&format!("{namespace}/server-{number}")).unwrap(),
            url: url.replace('#', "").parse().ok()?,
            hostname: Authority::parse(&format!("server-{number}.{namespace}.mcp.local")).unwrap(),
            prefix: Prefix::parse(&prefix).unwrap(),
            credential: credential.map(SecretString::from),
            call_credential,
            enabled,
            ca_bundle: None,
            timeouts: Timeouts {
                connect: Duration::from_millis(connect),
                request: Duration::from_millis(request),
            },
        })
    }
}

prop_compose! {
    fn virtual_server(number: usize)(
        tools in names("[^\\s\\p{C}]{1,16}", 1),
        prompts in option::of(names("[^\\p{C}]{1,16}", 0)),
        resources in option::of(names("[a-z]{1,4}:[^\\s\\p{C}]{0,16}", 0)),
    ) -> VirtualServerSpec {
        let name = ObjectName::parse(&format!("a/virtual-{number}")).unwrap();
        VirtualServerSpec { name, tools, prompts, resources }
    }
}

/// At least `least` names, none twice.
fn names(pattern: &'static str, least: usize) -> impl Strategy<Value = Vec<String>> {
    btree_set(pattern, least..5).prop_map(|names| names.into_iter().collect())
}

fn servers() -> impl Strategy<Value = Vec<Option<ServerSpec>>> {
    (0..6_usize).prop_flat_map(|count| (0..count).map(server).collect::<Vec<_>>())
}

fn virtual_servers() -> impl Strategy<Value = Vec<VirtualServerSpec>> {
    (0..3_usize).prop_flat_map(|count| (0..count).map(virtual_server).collect::<Vec<_>>())
}

prop_compose! {
    fn spec()(
        host in "[a-z0-9]{1,9}\\.public\\.example",
        more in option::of(Just("[::1]")),
        origins in vec("https?://[a-z]{1,9}\\.example(:[1-9]000)?", 0..3),
        servers in servers(),
        virtual_servers in virtual_servers(),
        require_session: bool,
        private_host in option::of("(https?://)?[a-z]{1,9}\\.svc(:[1-9]000)?"),
        relist in option::of(10_000..=7_200_000_u64),
        body in 1024..=Limits::MAX_BODY,
        page in 0..=100_000_usize,
    ) -> Spec {
        let hosts = [Some(host.as_str()), more];
        Spec {
            public_hosts: hosts.into_iter().flatten().map(|host| Authority::parse(host).unwrap()).collect(),
            allowed_origins: origins.iter().map(|origin| Origin::parse(origin).unwrap()).collect(),
            servers: servers.into_iter().flatten().collect(),
            virtual_servers,
            require_session,
            private_host,
            relist: relist.map(Duration::from_millis),
            limits: Limits { body, page },
        }
    }
}

fn data(shards: Vec<Shard>) -> BTreeMap<String, Entries> {
    let bytes = |(key, value): (String, SecretString)| (key, ByteString(shown(&value).into_bytes()));
    shards.into_iter().map(|shard| (shard.name, shard.entries.into_iter().map(bytes).collect())).collect()
}

/// As `secret` does it, without an API server.
fn join(name: &str, secrets: &BTreeMap<String, Entries>) -> Option<SecretString> {
    let whole = match Head::read(name, secrets.get(name)?).ok()? {
        Head::Whole(text) => text,
        Head::Parts { names, digest } => {
            let parts: Option<Vec<_>> = names.iter().map(|name| part(secrets.get(name)?, &digest)).collect();
            parts.map(|parts| parts.concat()).filter(|whole| is_whole(whole, &digest))?
        }
    };
    String::from_utf8(whole).ok().map(SecretString::from)
}

proptest! {
    #[test]
    fn any_spec_is_read_back_as_it_was(spec in spec(), most in 40..400_usize) {
        let text = print(&spec);
        prop_assert_eq!(seen(&read_back(&text)), seen(&spec));
        if let Ok(shards) = split_by(most, "config", &text) {
            let joined = join("config", &data(shards)).unwrap();
            prop_assert_eq!(shown(&joined), shown(&text));
        }
    }
}

#[test]
fn a_bundle_is_printed_as_its_path_which_only_a_file_can_name() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("ca.pem");
    let authority = rcgen::generate_simple_self_signed(vec!["ca.example".to_owned()]).unwrap();
    fs::write(&bundle, authority.cert.pem()).unwrap();
    let mut spec = fixture::spec();
    spec.servers[0].ca_bundle = Some(bundle);
    let text = shown(&print(&spec));
    let file = folder.path().join("config.json");
    fs::write(&file, &text).unwrap();
    assert_eq!(seen(&read(&file, &Overrides::default()).unwrap().spec), seen(&spec));
    let problems = read_text(&text, &Overrides::default()).unwrap_err();
    let said: Vec<_> =
        problems.iter().map(|problem| (problem.path.as_str(), problem.message.as_str())).collect();
    assert_eq!(said, [("servers[0].caBundle", "names a file")]);
}

#[test]
fn a_text_names_no_credential_file() {
    let text = "publicHost: a\nservers: [{name: a, url: 'http://a', credentialFile: /etc/passwd}]\n";
    let problems = read_text(text, &Overrides::default()).unwrap_err();
    assert_eq!(
        problems[0].to_string(),
        "2:54: servers[0].credentialFile: names a file; only a configuration that is a file itself can name others"
    );
}

#[test]
fn ten_thousand_servers_come_through_the_secrets() {
    let server = |n: usize| ServerSpec {
        credential: Some(SecretString::from(format!("Bearer {n:0>200}"))),
        ..fixture::server(
            &format!("namespace-{}/server-{n}", n % 100),
            &format!("server-{n}.mcp.local"),
            &format!("https://server-{n}.example/mcp"),
        )
    };
    let spec = Spec { servers: (0..MAX_SERVERS).map(server).collect(), ..fixture::spec() };
    let shards = split("config", &print(&spec)).unwrap();
    assert!((2..=MAX_SHARDS).contains(&shards.len()), "{} Secrets", shards.len());
    assert_eq!(shards.last().unwrap().name, "config");
    for shard in &shards {
        let bytes: usize = shard.entries.iter().map(|(key, value)| key.len() + shown(value).len()).sum();
        assert!(bytes < 1 << 20, "{bytes} bytes");
        assert!(shard_names("config").any(|name| name == shard.name));
    }
    let joined = join("config", &data(shards)).unwrap();
    assert_eq!(seen(&read_back(&joined)), seen(&spec));
}

#[test]
fn secrets_that_do_not_belong_together_are_no_configuration() {
    let shards = |text: &str| data(split_by(10, "config", &SecretString::from(text)).unwrap());
    let (old, new) = (shards("the old text, é and so on"), shards("the new text, longer, é and so on"));
    assert!(join("config", &old).is_some() && join("config", &new).is_some());
    for name in new.keys() {
        let mut mixed = new.clone();
        mixed.remove(name);
        assert!(join("config", &mixed).is_none(), "without {name}");
        mixed.extend(old.get(name).map(|older| (name.clone(), older.clone())));
        let joined = join("config", &mixed).map(|text| shown(&text));
        // the old head finds the old parts, unless a new one took their place
        assert!(joined.is_none(), "an older {name} gives {joined:?}");
    }
    let mut rest = new.clone();
    rest.extend(data(vec![Shard {
        name: "config".to_owned(),
        entries: vec![("config.json".to_owned(), SecretString::from("whole"))],
    }]));
    assert_eq!(join("config", &rest).map(|text| shown(&text)).as_deref(), Some("whole"));
}

#[test]
fn what_no_controller_writes_is_said() {
    let entries = |entries: &[(&str, &str)]| -> Entries {
        entries
            .iter()
            .map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec())))
            .collect()
    };
    for (data, wrong) in [
        (entries(&[]), "has neither `config.json` nor `parts`"),
        (entries(&[("parts", "0"), ("digest", "x")]), "has no number as `parts`"),
        (entries(&[("parts", "16"), ("digest", "x")]), "has no number as `parts`"),
        (entries(&[("parts", "two"), ("digest", "x")]), "has no number as `parts`"),
        (entries(&[("parts", "2")]), "has no `digest`"),
    ] {
        assert_eq!(Head::read("config", &data), Err(wrong));
    }
    let large = SecretString::from("x".repeat(160));
    assert_eq!(split_by(10, "config", &large).unwrap_err(), TooLarge(160));
    let most = SecretString::from("x".repeat(150));
    assert_eq!(split_by(10, "config", &most).unwrap().len(), MAX_SHARDS);
}
