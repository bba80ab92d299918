//! The languages of procman's sockets: what one may ask a running procman and what it answers, and what an instance
//! says of itself.
//!
//! Pure: [`protocol`] has the values and knows no bytes, [`wire`] makes lines of them and knows no
//! socket, and where the socket lies ([`address`]) is a function of its arguments. [`notify`] reads what instances say.
//! The supervisor knows none of this.

pub mod address;
pub mod notify;
pub mod protocol;
pub mod wire;
