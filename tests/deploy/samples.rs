//! The samples: objects with names, one Gateway that another can take the place of, no token.

use serde_json::{Value, json};

use crate::render::{deploy, documents, files, files_of, key, kustomize, read};

#[test]
fn every_file_of_the_samples_is_one_object() {
    let mut seen = 0;
    for file in files_of(&deploy().join("samples"), "yaml") {
        if file.file_name().unwrap() != "kustomization.yaml" {
            let documents = documents(&read(&file));
            assert_eq!(documents.len(), 1, "{}", file.display());
            assert!(documents[0]["apiVersion"].is_string(), "{}", file.display());
            let kind = key(&documents[0]).split(' ').next().unwrap().to_lowercase();
            assert_eq!(file.file_stem().unwrap().to_str(), Some(kind.as_str()), "{}", file.display());
            seen += 1;
        }
    }
    assert!(seen >= 15, "found only {seen} objects");
}

#[test]
fn no_token_is_below_deploy() {
    let tokens = |text: &str| -> Vec<String> {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let is_token = |word: &str| {
            ["ghp_", "gho_", "ghs_", "github_pat_"]
                .iter()
                .any(|start| word.strip_prefix(start).is_some_and(|rest| rest.len() >= 16))
        };
        words.filter(|word| is_token(word)).map(str::to_owned).collect()
    };
    assert_eq!(tokens("token: Bearer ghp_0123456789abcdefABCD"), ["ghp_0123456789abcdefABCD"]);
    let files = files(&deploy());
    assert!(files.len() > 40, "{files:?}");
    for file in files {
        let found = tokens(&String::from_utf8_lossy(&std::fs::read(&file).unwrap()));
        assert!(found.is_empty(), "{}: a token is written there", file.display());
    }
    let secret = remote_github("secret.yaml");
    assert_eq!(secret["stringData"], json!({"token": "Bearer ${GITHUB_PAT}"}));
    assert_eq!(secret["metadata"]["labels"], json!({"mcp.kagenti.com/credential": "true"}));
}

#[test]
fn the_https_gateway_takes_the_place_of_the_other() {
    let [plain, https] =
        ["gateway", "gateway-https"].map(|name| kustomize(&deploy().join("samples").join(name)));
    assert!(plain.keys().eq(https.keys()), "{:?} {:?}", plain.keys(), https.keys());
    let listeners = |objects: &crate::render::Objects| -> Vec<(String, String, String)> {
        let gateway = &objects["Gateway gateway-system/mcp-gateway"];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let listeners = gateway["spec"]["listeners"].as_array().unwrap();
        listeners.iter().map(|l| (text(&l["name"]), text(&l["protocol"]), text(&l["hostname"]))).collect()
    };
    let listener = |name: &str, protocol: &str, host: &str| (name.into(), protocol.into(), host.into());
    let both = [listener("mcp", "HTTP", "mcp.127-0-0-1.sslip.io"), listener("mcps", "HTTP", "*.mcp.local")];
    assert_eq!(listeners(&plain), both);
    assert_eq!(listeners(&https), [listener("mcp", "HTTPS", "*.mcp.local")]);
    for objects in [plain, https] {
        let extension = &objects["MCPGatewayExtension mcp-system/mcp-gateway"]["spec"]["targetRef"];
        let name = (&extension["name"], &extension["namespace"], &extension["sectionName"]);
        assert_eq!(name, (&"mcp-gateway".into(), &"gateway-system".into(), &"mcp".into()));
    }
}

#[test]
fn the_servers_certificate_is_verified_for_its_host() {
    let tls = &remote_github("destinationrule.yaml")["spec"]["trafficPolicy"]["tls"];
    let host = "api.githubcopilot.com";
    assert_eq!(tls, &json!({"mode": "SIMPLE", "sni": host, "subjectAltNames": [host]}));
}

#[test]
fn the_objects_of_the_guide_refer_to_each_other() {
    let (route, registration) =
        (remote_github("httproute.yaml"), remote_github("mcpserverregistration.yaml"));
    let rule = &route["spec"]["rules"][0];
    let host = &remote_github("serviceentry.yaml")["spec"]["hosts"][0];
    assert_eq!(&remote_github("destinationrule.yaml")["spec"]["host"], host);
    assert_eq!(&rule["backendRefs"][0]["name"], host);
    assert_eq!(&rule["filters"][0]["urlRewrite"]["hostname"], host);
    assert_eq!(route["spec"]["hostnames"], json!(["github.mcp.local"]));
    for referrer in [&registration, &remote_github("authpolicy.yaml")] {
        assert_eq!(referrer["spec"]["targetRef"]["name"], route["metadata"]["name"]);
        assert_eq!(referrer["metadata"]["namespace"], route["metadata"]["namespace"]);
    }
    assert_eq!(registration["spec"]["credentialRef"], json!({"name": "github-token", "key": "token"}));
    assert_eq!(remote_github("secret.yaml")["metadata"]["name"], "github-token");
}

pub fn remote_github(file: &str) -> Value {
    documents(&read(deploy().join("samples/remote-github").join(file))).remove(0)
}
