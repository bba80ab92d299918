//! The language of the control socket: what one may ask a running procman, and what it answers.
//!
//! Pure: [`protocol`] has the values and knows no bytes, [`wire`] makes lines of them and knows no
//! socket, and where the socket lies ([`address`]) is a function of its arguments. The supervisor knows none of this.

pub mod address;
pub mod protocol;
pub mod wire;
