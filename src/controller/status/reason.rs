//! Condition types and reasons: one word for programs. They are part of the interface.

/// Whether the object is valid where it stands.
pub const ACCEPTED: &str = "Accepted";
/// Whether what it refers to is there and may be used.
pub const RESOLVED_REFS: &str = "ResolvedRefs";
/// Whether the data plane has been seen to serve it.
pub const PROGRAMMED: &str = "Programmed";
/// Whether clients can use it now.
pub const READY: &str = "Ready";
/// What works, but not as well as it looks.
pub const WARNINGS: &str = "Warnings";

// what one condition has to say of another
pub const NO_WARNINGS: &str = "NoWarnings";
pub const NOT_ACCEPTED: &str = "NotAccepted";
pub const NOT_RESOLVED: &str = "NotResolved";
pub const DISABLED: &str = "Disabled";

// references
pub const REF_NOT_PERMITTED: &str = "RefNotPermitted";
pub const ROUTE_NOT_FOUND: &str = "RouteNotFound";
pub const GATEWAY_NOT_FOUND: &str = "GatewayNotFound";
pub const BACKEND_NOT_FOUND: &str = "BackendNotFound";
pub const UNSUPPORTED_BACKEND: &str = "UnsupportedBackend";
pub const ROUTE_NOT_RESOLVED: &str = "RouteNotResolved";
pub const SECRET_NOT_FOUND: &str = "SecretNotFound";
pub const SECRET_KEY_MISSING: &str = "SecretKeyMissing";
pub const CREDENTIAL_INVALID: &str = "CredentialInvalid";
pub const SERVICE_NOT_FOUND: &str = "ServiceNotFound";

// a registration where it stands
pub const INVALID: &str = "Invalid";
pub const ROUTE_NOT_ACCEPTED: &str = "RouteNotAccepted";
pub const NOT_ALLOWED_BY_LISTENERS: &str = "NotAllowedByListeners";
pub const NO_EXTENSION: &str = "NoExtension";
pub const NO_HOSTNAME: &str = "NoHostname";
pub const LISTENER_MISMATCH: &str = "ListenerMismatch";
pub const UNSUPPORTED_ROUTE: &str = "UnsupportedRoute";
pub const PATH_NOT_ROUTED: &str = "PathNotRouted";
pub const PATH_REWRITTEN: &str = "PathRewritten";
pub const HOST_CONFLICT: &str = "HostConflict";
pub const PREFIX_CONFLICT: &str = "PrefixConflict";
pub const TOO_MANY: &str = "TooMany";

// an extension where it stands
pub const EXTENSION_CONFLICT: &str = "ExtensionConflict";
pub const LISTENER_NOT_FOUND: &str = "ListenerNotFound";
pub const LISTENER_AMBIGUOUS: &str = "ListenerAmbiguous";
pub const UNSUPPORTED_PROTOCOL: &str = "UnsupportedProtocol";
pub const PUBLIC_HOST_INVALID: &str = "PublicHostInvalid";
pub const PRIVATE_HOST_INVALID: &str = "PrivateHostInvalid";

// the way to the data plane and through it
pub const ISTIO_MISSING: &str = "IstioMissing";
pub const GRPC_PORT_NAME: &str = "GrpcPortName";
pub const NOT_WRITTEN: &str = "NotWritten";
pub const PENDING: &str = "Pending";
pub const NO_DATA_PLANE: &str = "NoDataPlane";
pub const NOT_ATTACHED: &str = "NotAttached";
pub const NOT_ROUTED: &str = "NotRouted";
pub const SERVER_UNREACHABLE: &str = "ServerUnreachable";
pub const TOOLS_MISSING: &str = "ToolsMissing";

// what could hand a credential to the wrong party
pub const PLAINTEXT: &str = "Plaintext";
pub const HOST_CONTESTED: &str = "HostContested";
pub const CERTIFICATE_NOT_VERIFIED: &str = "CertificateNotVerified";

// warnings only
pub const ANSWERS_WITHOUT_ROUTER: &str = "AnswersWithoutRouter";
pub const BYPASS_POSSIBLE: &str = "BypassPossible";
pub const HOST_NAME_NOT_VERIFIED: &str = "HostNameNotVerified";
pub const HOST_NOT_REWRITTEN: &str = "HostNotRewritten";
pub const HOST_SHARED: &str = "HostShared";
pub const ORIGIN_INVALID: &str = "OriginInvalid";

/// Warnings, the gravest first: the reason of several is the first of them.
pub(super) const GRAVITY: [&str; 12] = [
    ANSWERS_WITHOUT_ROUTER,
    HOST_CONTESTED,
    PLAINTEXT,
    CERTIFICATE_NOT_VERIFIED,
    BYPASS_POSSIBLE,
    HOST_SHARED,
    HOST_NAME_NOT_VERIFIED,
    BACKEND_NOT_FOUND,
    SERVICE_NOT_FOUND,
    GRPC_PORT_NAME,
    HOST_NOT_REWRITTEN,
    ORIGIN_INVALID,
];
