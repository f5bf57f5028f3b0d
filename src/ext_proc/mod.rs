//! Envoy's external processing protocol (`envoy.service.ext_proc.v3`) over gRPC: the exchange's first attachment.
//!
//! ```text
//!  Envoy --HTTP/2--> serve: threads --> connection --> router: one task a stream
//!
//!  grpc --ProcessingRequest--> stream --codec--> Input --> exchange::Exchange
//!       <-ProcessingResponse--        <--codec-- Step  <--
//!                                 \--session--> sessions::Store, Hairpin   [the only waiting]
//! ```
//!
//! **Invariant**: fails closed. An OK end of the stream lets a request go on as it is, so it comes only after the
//! last answer; whatever goes wrong ends in an `ImmediateResponse` or a gRPC error, which Envoy answers with 500.

mod codec;
mod connection;
mod errands;
mod grpc;
mod health;
mod listen;
mod router;
mod serve;
mod session;
mod stream;

pub use listen::{Bound, Listen, ListenError, Socket};
pub use router::{Parts, Router};
pub use serve::serve;
pub use stream::DUPLEX_DEADLINE;
