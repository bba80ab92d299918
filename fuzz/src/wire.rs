//! Wire: whatever a client or a procman sends is understood as one thing or refused with one line of words, however
//! it was cut into pieces; what is written of what was read is read as the same.
//!
//! The first byte of an input is how long the pieces are that it comes in.

use procman::control::protocol::{Answer, Call, Typed, VERSION};
use procman::control::wire::{self, LONGEST_ANSWER, LONGEST_CALL, Lines, WireError};

use super::text::check_message;

/// The longest line where lines are to be too long now and then.
const SHORT: usize = 64;

/// Checks everything for one input.
pub fn check(input: &[u8]) {
    let (length, stream) = input.split_first().map_or((1, input), |(first, rest)| (*first, rest));
    let length = usize::from(length).max(1);
    for most in [SHORT, LONGEST_CALL, LONGEST_ANSWER] {
        check_lines(stream, length, most);
    }
    for line in stream.split(|byte| *byte == b'\n') {
        check_call(line);
        check_typed(line);
        check_answer(line);
    }
}

/// Checks that lines are those of the whole stream, up to one that is too long.
fn check_lines(stream: &[u8], length: usize, most: usize) {
    let mut lines = Lines::new(most);
    let mut found: Vec<Vec<u8>> = Vec::new();
    let mut take = |lines: &mut Lines| {
        while let Some(line) = lines.next_line()? {
            found.push(line.to_vec());
        }
        Ok::<(), WireError>(())
    };
    let taken = stream.chunks(length).try_for_each(|piece| {
        assert!(lines.rest().len() <= most, "what is held is bounded");
        lines.push(piece);
        take(&mut lines)
    });
    let mut expected: Vec<&[u8]> = stream.split(|byte| *byte == b'\n').collect();
    match taken {
        Ok(()) => {
            assert_eq!(Some(lines.rest()), expected.pop(), "the rest is what has no end yet");
            assert_eq!(found, expected);
            assert!(found.iter().all(|line| line.len() <= most));
        }
        Err(error) => {
            assert_eq!(error, WireError::TooLong { most });
            assert_eq!(found[..], expected[..found.len()]);
            assert!(expected[found.len()].len() > most, "that is the one");
        }
    }
}

fn check_call(line: &[u8]) {
    let read = wire::decode_call(line);
    check_refusal(&read);
    assert_eq!(wire::decode_call(&[line, b"\r"].concat()).is_ok(), read.is_ok(), "a return says nothing");
    let Ok(call) = read else { return };
    assert_eq!(call.version, VERSION);
    let written = check_written(&call);
    assert_eq!(wire::decode_call(&written), Ok::<Call, WireError>(call));
    let text = String::from_utf8(written).expect("JSON is text");
    let other = text.replacen(r#"{"version":1,"#, r#"{"version":7,"tempo":[{}],"#, 1);
    assert_eq!(wire::decode_call(other.as_bytes()), Err(WireError::Version { version: 7 }));
    let twice = text.replacen(r#"{"version":1,"#, r#"{"version":1,"version":1,"#, 1);
    assert!(matches!(wire::decode_call(twice.as_bytes()), Err(WireError::Duplicate { .. })));
    assert!(wire::decode_call(&text.as_bytes()[..text.trim_end().len() - 1]).is_err(), "all of it is needed");
}

fn check_typed(line: &[u8]) {
    let read = wire::decode_typed(line);
    check_refusal(&read);
    let Ok(typed) = read else { return };
    assert_eq!(wire::decode_typed(&check_written(&typed)).as_ref(), Ok::<&Typed, &WireError>(&typed));
    if let Typed::Input { base64 } = typed {
        match wire::bytes(&base64) {
            Ok(bytes) => assert_eq!(wire::base64(&bytes), base64, "there is one way to write bytes"),
            Err(error) => check_message(&error.to_string()),
        }
    }
}

fn check_answer(line: &[u8]) {
    let read = wire::decode_answer(line);
    check_refusal(&read);
    let Ok(answer) = read else { return };
    let again = wire::decode_answer(&check_written(&answer));
    // A fraction may be read as its neighbour.
    if !matches!(answer, Answer::Formation(_)) {
        assert_eq!(again, Ok(answer));
    }
}

/// Returns what is written of a value, which is one line.
fn check_written(value: &impl serde::Serialize) -> Vec<u8> {
    let written = wire::encode(value);
    let (end, line) = written.split_last().expect("it has a newline");
    assert!(*end == b'\n' && !line.iter().any(|byte| byte.is_ascii_control()));
    written
}

fn check_refusal<T>(read: &Result<T, WireError>) {
    if let Err(error) = read {
        check_message(&error.to_string());
        error.hint().iter().for_each(|hint| check_message(hint));
    }
}
