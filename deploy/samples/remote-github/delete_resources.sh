#!/usr/bin/env bash
# Takes away what create_resources.sh has made, but for the namespace, which may hold more. Can be run again.
#   KUBECTL  which kubectl (default: that on PATH); the cluster is that of KUBECONFIG
set -euo pipefail

kubectl=${KUBECTL:-kubectl}
namespace=mcp-test

main() {
    command -v "$kubectl" >/dev/null || fail "$kubectl is not here: install kubectl, or set KUBECTL"
    "$kubectl" get --raw /readyz >/dev/null || fail "the cluster does not answer (see above): check KUBECONFIG"

    step 1 "MCPServerRegistration: its tools leave the list"
    delete mcpserverregistrations.mcp.kagenti.com github
    step 2 "AuthPolicy"
    delete authpolicies.kuadrant.io mcps-auth-policy
    step 3 "Secret with the token"
    "$kubectl" delete secret github-token -n "$namespace" --ignore-not-found
    step 4 "HTTPRoute"
    delete httproutes.gateway.networking.k8s.io github-mcp-external
    step 5 "DestinationRule"
    delete destinationrules.networking.istio.io github-mcp-external
    step 6 "ServiceEntry"
    delete serviceentries.networking.istio.io github-mcp-external
    printf '\nThe namespace %s is left: kubectl delete namespace %s removes it with all that is in it.\n' "$namespace" "$namespace"
}

# Deletes an object; where its resource definition is not there, there is none.
delete() {
    local found
    found=$("$kubectl" get customresourcedefinitions "$1" --ignore-not-found --output name) || fail "cannot look for $1 (see above)"
    if [[ -n $found ]]; then
        "$kubectl" delete "$1" "$2" -n "$namespace" --ignore-not-found
    else
        printf '%s is not installed\n' "$1"
    fi
}

step() {
    printf '\n[%s/6] %s\n' "$1" "$2"
}

fail() {
    printf '%s\n' "$1" >&2
    exit 1
}

main
