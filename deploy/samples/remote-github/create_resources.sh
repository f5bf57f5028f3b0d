#!/usr/bin/env bash
# Connects GitHub's MCP server: every step of README.md, in its order. Needs GITHUB_PAT; can be run again.
#   KUBECTL       which kubectl (default: that on PATH); the cluster is that of KUBECONFIG
#   WAIT_SECONDS  longest wait for the registration to be ready (default: 120)
set +x # a trace would show the token
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

kubectl=${KUBECTL:-kubectl}
namespace=mcp-test
wait_seconds=${WAIT_SECONDS:-120}

main() {
    check_token
    check_cluster

    step 1 "namespace $namespace"
    apply namespace.yaml
    step 2 "ServiceEntry: Istio learns of api.githubcopilot.com"
    apply serviceentry.yaml
    step 3 "DestinationRule: TLS to it, its certificate and host name verified"
    apply destinationrule.yaml
    step 4 "HTTPRoute: github.mcp.local on the Gateway leads to it"
    apply httproute.yaml
    step 5 "Secret: your token, for the gateway to list the tools with"
    apply_secret
    if has authpolicies.kuadrant.io; then
        step 6 "AuthPolicy: the caller's own authorization is passed on"
        apply authpolicy.yaml
    else
        step 6 "AuthPolicy: left out, as Kuadrant is not installed (it is optional)"
    fi
    step 7 "MCPServerRegistration: its tools are listed as github_..."
    apply mcpserverregistration.yaml
    wait_until_ready
    "$kubectl" get mcpsrs -n "$namespace"
}

check_token() {
    case ${GITHUB_PAT:-} in
    "") fail "GITHUB_PAT is not set. Make a token with read:user at https://github.com/settings/tokens/new, then: export GITHUB_PAT=..." ;;
    *YOUR_TOKEN*) fail "GITHUB_PAT is still the guide's placeholder: set it to a token of yours" ;;
    esac
    # Checked by the shell itself, so that the token is on no command line.
    [[ $GITHUB_PAT =~ ^(ghp|github_pat)_[A-Za-z0-9_]+$ ]] ||
        fail "GITHUB_PAT is no personal access token of GitHub's: one begins with ghp_ or github_pat_, and has letters, digits and _ alone"
}

check_cluster() {
    command -v "$kubectl" >/dev/null || fail "$kubectl is not here: install kubectl, or set KUBECTL"
    "$kubectl" get --raw /readyz >/dev/null || fail "the cluster does not answer (see above): check KUBECONFIG"
    has httproutes.gateway.networking.k8s.io || fail "Gateway API is not installed: https://gateway-api.sigs.k8s.io/guides/"
    has serviceentries.networking.istio.io || fail "Istio is not installed: https://istio.io/latest/docs/setup/"
    has mcpserverregistrations.mcp.kagenti.com || fail "mcp-gateway is not installed: kubectl apply -k deploy/"
    "$kubectl" get gateways.gateway.networking.k8s.io mcp-gateway -n gateway-system >/dev/null ||
        fail "there is no Gateway gateway-system/mcp-gateway: kubectl apply -k deploy/samples/gateway"
}

# Whether a resource definition is there.
has() {
    local found
    found=$("$kubectl" get customresourcedefinitions "$1" --ignore-not-found --output name) || fail "cannot look for $1 (see above)"
    [[ -n $found ]]
}

apply() {
    "$kubectl" apply -f "$1"
}

# By standard input, so that the token is on no command line; on the server's side, so that kubectl keeps no copy of it in
# an annotation.
apply_secret() {
    local placeholder="\${GITHUB_PAT}" manifest
    manifest=$(<secret.yaml)
    printf '%s\n' "${manifest//"$placeholder"/$GITHUB_PAT}" | "$kubectl" apply --server-side --force-conflicts -f -
}

wait_until_ready() {
    step 8 "waiting until the gateway has its tools (at most $wait_seconds s)"
    if ! "$kubectl" wait --for=condition=Ready mcpserverregistrations.mcp.kagenti.com/github -n "$namespace" --timeout="${wait_seconds}s"; then
        "$kubectl" get mcpserverregistrations.mcp.kagenti.com github -n "$namespace" --output \
            'go-template={{range .status.conditions}}{{.type}}={{.status}} {{.reason}}: {{.message}}{{"\n"}}{{end}}' >&2 || true
        fail "the registration is not ready; its conditions are above"
    fi
}

step() {
    printf '\n[%s/8] %s\n' "$1" "$2"
}

fail() {
    printf '%s\n' "$1" >&2
    exit 1
}

main
