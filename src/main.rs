//! The `procman` program: everything is in the library.

fn main() {
    std::process::exit(procman::cli::main());
}
