//! What output looks like (CONTRACT §5) as transcripts: the bytes that come, and exactly those that go out.
//!
//! `tests/transcript.rs` is the language; `tests/walks.rs` feeds at random and reads everything back.

mod transcript;
mod walks;

use std::time::Duration;

use crate::output::tests::transcript::{
    Player, check, check_as, coloured, json, on_terminal, raw, text, timed,
};
use crate::output::{Access, Colour, Returns, Stamp, StreamKey, Style};

// Lines

#[test]
fn whole_lines_pass_at_once() {
    check(
        r"
        a: one\ntwo\n  -> a | one\na | two\n
        b: three\n     -> b | three\n
        a: \n          -> a | \n
        next deadline? -> none
        ",
    );
}

#[test]
fn the_beginning_of_a_line_is_held_until_its_end_comes() {
    check(
        r"
        a: on          ->
        b: two\n       -> b | two\n
        a: e\nthr      -> a | one\n
        a: ee\nfour\n  -> a | three\na | four\n
        next deadline? -> none
        ",
    );
}

#[test]
fn lines_of_two_streams_never_mix() {
    check(
        r"
        a: 1      ->
        b: 2      ->
        a: 1      ->
        b: 2\n2   -> b | 22\n
        a: 1\n    -> a | 111\n
        b: 2\n    -> b | 22\n
        ",
    );
}

#[test]
fn a_last_line_without_newline_gets_one() {
    check(
        r"
        a: one\ntwo    -> a | one\n
        close a        -> a | two\n
        b: name?       ->
        +250ms         -> b | name?
        close b        -> \n
        close c        ->
        next deadline? -> none
        ",
    );
}

#[test]
fn bytes_are_sacred() {
    check(
        r"
        a: A\0B\xFF\xFEC\n      -> a | A\0B\xFF\xFEC\n
        a: \xED\xA0\x80\xC0\n   -> a | \xED\xA0\x80\xC0\n
        a: \e]0;title\x07\e[2J\n -> a | \e]0;title\x07\e[2J\n
        a: \r10%\r20%\r\n       -> a | \r10%\r20%\r\n
        ",
    );
}

// Prompts and progress

#[test]
fn a_prompt_is_shown_after_a_pause() {
    check(
        r"
        a: name?       ->
        next deadline? -> 250ms
        +249ms         ->
        +1ms           -> a | name?
        next deadline? -> none
        ",
    );
}

#[test]
fn a_prompt_goes_on_in_its_line_if_nobody_wrote_between() {
    check(
        r"
        a: name?       ->
        +250ms         -> a | name?
        +10s a: Bo     -> Bo
        a: b           -> b
        next deadline? -> none
        a: \nhello\n   -> \na | hello\n
        ",
    );
}

#[test]
fn a_prompt_is_cut_when_somebody_wrote_between() {
    check(
        r"
        a: name?       ->
        +250ms         -> a | name?
        b: tick\n      -> \nb | tick\n
        a: Bob\nhello\n -> a + Bob\na | hello\n
        ",
    );
}

#[test]
fn a_line_may_be_cut_more_than_once() {
    check(
        r"
        a: one            ->
        +250ms b: tick\n  -> b | tick\na | one
        b: tick\n         -> \nb | tick\n
        a: two            ->
        +250ms            -> a + two
        b: tick\n         -> \nb | tick\n
        a: three\nfour\n  -> a + three\na | four\n
        ",
    );
}

#[test]
fn the_newline_of_a_cut_is_enough() {
    check(
        r"
        a: name?       ->
        +250ms         -> a | name?
        b: tick\n      -> \nb | tick\n
        # No empty `a +`: the line is complete as it stands, and nobody's prompt is cut for nothing.
        b: sure?       ->
        +250ms         -> b | sure?
        a: \n          ->
        b: yes\n       -> yes\n
        a: hello\n     -> a | hello\n
        ",
    );
}

#[test]
fn a_prompt_delays_nobody() {
    check(
        r"
        a: name?       ->
        b: tick\n      -> b | tick\n
        +250ms         -> a | name?
        b: sure?       ->
        +250ms         -> \nb | sure?
        say: hello     -> \nsystem | hello\n
        ",
    );
}

#[test]
fn dots_of_progress_are_shown_when_patience_ends() {
    check(
        r"
        a: .           ->
        +200ms a: .    ->
        +200ms a: .    ->
        +200ms a: .    ->
        +200ms a: .    ->
        next deadline? -> 1000ms
        +200ms a: .    -> a | ......
        +200ms a: .    -> .
        +200ms a: \n   -> \n
        ",
    );
}

/// Patience was endless for a line that went on behind a character that was not complete when it was cut.
#[test]
fn dots_behind_half_a_character_are_shown_when_patience_ends() {
    check(
        r"
        a: caf\xC3         ->
        +250ms b: tick\n   -> b | tick\na | caf
        b: tick\n          -> \nb | tick\n
        a: \xA9            ->
        +200ms a: .        ->
        +200ms a: .        ->
        +200ms a: .        ->
        +200ms a: .        ->
        +200ms a: .        -> a + é.....
        ",
    );
}

// Lines of any length

#[test]
fn a_long_line_passes_in_stretches() {
    check(
        r"
        a: x{65535}      ->
        a: x             -> a | x{65536}
        a: y             -> y
        +10s a: z{99999} -> z{99999}
        next deadline?   -> none
        a: \nshort\n     -> \na | short\n
        ",
    );
}

#[test]
fn a_long_line_that_ends_is_one_line() {
    check(
        r"
        a: x{200000}\n        -> a | x{200000}\n
        a: x{65535}           ->
        a: x{99999}\nshort\n  -> a | x{165534}\na | short\n
        ",
    );
}

#[test]
fn others_wait_for_a_flowing_line() {
    check(
        r"
        a: x{65536}        -> a | x{65536}
        +100ms b: tick\n   -> waits until 350ms
        +50ms a: x         -> x
        say: hello         -> waits until 350ms
        a: x\n             -> x\n
        b: tick\n          -> b | tick\n
        say: hello         -> system | hello\n
        ",
    );
}

#[test]
fn a_flowing_line_is_cut_when_its_turn_is_over() {
    check(
        r"
        a: x{65536}        -> a | x{65536}
        +10s b: tick\n     -> waits until 10250ms
        +100ms a: x{100}   -> x{100}
        +149ms b: tick\n   -> waits until 10250ms
        +1ms a: x          -> x
        b: tick\n          -> \nb | tick\n
        # Its rest flows as well.
        a: x{65536}        -> a + x{65536}
        c: tock\n          -> waits until 10500ms
        +250ms a: x\n      -> x\n
        c: tock\n          -> c | tock\n
        ",
    );
}

#[test]
fn a_flowing_line_is_not_cut_for_less_than_a_line() {
    check(
        r"
        a: x{65536}        -> a | x{65536}
        b: na              -> waits until 250ms
        +250ms b: na       ->
        a: x               -> x
        +249ms b: me?      ->
        +250ms             -> \nb | name?
        a: x\n             -> \na + x\n
        ",
    );
}

#[test]
fn two_endless_lines_take_turns() {
    check(
        r"
        a: x{65536}        -> a | x{65536}
        b: y{65536}        -> waits until 250ms
        +250ms b: y{65536} -> \nb | y{65536}
        a: x{65536}        -> waits until 500ms
        b: y{65536}        -> y{65536}
        +250ms a: x{65536} -> \na + x{65536}
        b: y{65536}        -> waits until 750ms
        ",
    );
}

#[test]
fn a_prompt_waits_for_a_flowing_line() {
    check(
        r"
        b: name?           ->
        a: x{65536}        -> a | x{65536}
        next deadline?     -> 250ms
        +250ms             ->
        next deadline?     -> 500ms
        +249ms a: x        -> x
        +1ms               -> \nb | name?
        next deadline?     -> none
        ",
    );
}

#[test]
fn a_prompt_that_grows_long_begins_to_flow() {
    check(
        r"
        a: name?           ->
        +250ms             -> a | name?
        a: x{65536}        -> x{65536}
        b: tick\n          -> waits until 500ms
        ",
    );
}

// Characters

#[test]
fn a_character_that_came_in_two_parts_is_shown_whole() {
    check(
        r"
        a: caf\xC3         ->
        +250ms             -> a | caf
        next deadline?     -> none
        +10s a: \xA9       -> é
        a: !\n             -> !\n
        ",
    );
}

#[test]
fn half_a_character_waits_for_the_rest_or_for_the_end_of_its_line() {
    check(
        r"
        a: \xF0\x9F        ->
        +250ms             ->
        next deadline?     -> none
        b: tick\n          -> b | tick\n
        a: \n              -> a | \xF0\x9F\n
        a: \xF0\x9F        ->
        close a            -> a | \xF0\x9F\n
        ",
    );
}

#[test]
fn a_prompt_with_half_a_character_is_cut_before_it() {
    check(
        r"
        a: caf\xC3         ->
        +250ms             -> a | caf
        b: tick\n          -> \nb | tick\n
        a: \xA9\n          -> a + é\n
        ",
    );
}

#[test]
fn no_stretch_prompt_or_record_begins_within_a_character() {
    let character = "🚀".as_bytes();
    for style in [text(), coloured(), raw(), json()] {
        for before in (64 * 1024 - 6)..=(64 * 1024 + 1) {
            for part in 0..=character.len() {
                let mut player = Player::new(&style);
                let (a, b) = (StreamKey(0), StreamKey(1));
                let (first, rest) = character.split_at(part);
                let mut outputs = vec![player.feed(a, &[&vec![b'x'; before], first].concat())];
                player.pass(Duration::from_millis(250));
                outputs.push(player.turn(|_| Access::Granted).0);
                player.turn(|player| player.merge.access(Some(b)));
                player.pass(Duration::from_millis(250));
                outputs.push(player.feed(b, b"tick\n"));
                outputs.push(player.feed(a, rest));
                outputs.push(player.feed(a, b"\n"));

                let case = format!("{before} bytes before, {part} of the character first");
                for output in &outputs {
                    assert!(str::from_utf8(output).is_ok(), "{case}: {output:?}");
                }
                let output = String::from_utf8(outputs.concat()).unwrap();
                assert_eq!(output.matches('🚀').count(), 1, "{case}");
                assert!(!output.contains("lossy"), "{case}");
            }
        }
    }
}

// What procman says

#[test]
fn an_instance_is_framed_by_its_first_and_last_line() {
    check(
        r"
        say a: started with pid 1  -> a | started with pid 1\n
        a: on                      ->
        a: e\ntwo                  -> a | one\n
        say a: exited with code 0  -> a | two\na | exited with code 0\n
        next deadline?             -> none
        # A process that it left behind.
        a: three\n                 -> a | three\n
        close a                    ->
        ",
    );
}

#[test]
fn what_is_said_of_an_instance_ends_its_open_line() {
    check(
        r"
        a: name?                   ->
        +250ms                     -> a | name?
        say a: exited with code 0  -> \na | exited with code 0\n
        a: new\n                   -> a | new\n
        ",
    );
}

#[test]
fn what_is_said_of_an_instance_ends_its_cut_line() {
    check(
        r"
        a: name?                   ->
        +250ms                     -> a | name?
        b: tick\n                  -> \nb | tick\n
        say a: exited with code 0  -> a | exited with code 0\n
        a: new\n                   -> a | new\n
        ",
    );
}

#[test]
fn what_procman_says_cuts_an_open_line_and_leaves_beginnings_alone() {
    check(
        r"
        b: on                      ->
        a: name?                   ->
        +250ms b: e                -> a | name?
        say: stopping              -> \nsystem | stopping\n
        say b: exited with code 0  -> b | one\nb | exited with code 0\n
        a: Bob\n                   -> a + Bob\n
        ",
    );
}

// Colours

#[test]
fn only_prefixes_are_coloured() {
    check_as(
        &coloured(),
        r"
        a: one\ntwo\n  -> \e[36ma | \e[0mone\n\e[36ma | \e[0mtwo\n
        b: one\n       -> \e[33mb | \e[0mone\n
        say b: started -> \e[33mb | \e[0mstarted\n
        say: hello     -> \e[1msystem | \e[0mhello\n
        ",
    );
}

#[test]
fn a_line_that_leaves_a_colour_on_is_followed_by_a_reset() {
    check_as(
        &coloured(),
        r"
        a: \e[31mred\nplain\n  -> \e[36ma | \e[0m\e[31mred\e[0m\n\e[36ma | \e[0mplain\n
        a: \e[31mred\e[0m\n    -> \e[36ma | \e[0m\e[31mred\e[0m\n
        a: \e[31mr             ->
        a: ed\n                -> \e[36ma | \e[0m\e[31mred\e[0m\n
        a: \e[31mred\r\n       -> \e[36ma | \e[0m\e[31mred\r\e[0m\n
        ",
    );
}

#[test]
fn a_line_that_stood_open_is_followed_by_a_reset() {
    check_as(
        &coloured(),
        r"
        a: \e[31mname?  ->
        +250ms          -> \e[36ma | \e[0m\e[31mname?
        a: Bob\n        -> Bob\e[0m\n
        a: \e[31mname?  ->
        +250ms          -> \e[36ma | \e[0m\e[31mname?
        b: tick\n       -> \e[0m\n\e[33mb | \e[0mtick\n
        a: Bob\n        -> \e[36ma + \e[0mBob\n
        ",
    );
}

#[test]
fn no_byte_is_added_for_colours_in_a_file() {
    check(
        r"
        a: \e[31mred\n  -> a | \e[31mred\n
        a: \e[31mname?  ->
        +250ms          -> a | \e[31mname?
        b: tick\n       -> \nb | tick\n
        ",
    );
}

// Times

#[test]
fn the_time_changes_with_the_second() {
    check_as(
        &timed(Stamp::Seconds),
        r"
        a: one\n          -> 12:00:00 a | one\n
        +999ms a: two\n   -> 12:00:00 a | two\n
        +1ms a: three\n   -> 12:00:01 a | three\n
        b: one\n          -> 12:00:01 b | one\n
        +59s say: hello   -> 12:01:00 system | hello\n
        ",
    );
}

#[test]
fn a_line_bears_the_time_at_which_it_is_shown() {
    check_as(
        &timed(Stamp::Seconds),
        r"
        a: on             ->
        +200ms b: tick\n  -> 12:00:00 b | tick\n
        +700ms b: tick\n  -> 12:00:00 b | tick\n12:00:00 a | on
        +200ms b: tick\n  -> \n12:00:01 b | tick\n
        a: e\n            -> 12:00:01 a + e\n
        ",
    );
}

#[test]
fn a_clock_that_is_set_is_followed() {
    check_as(
        &timed(Stamp::Seconds),
        r"
        a: one\n          -> 12:00:00 a | one\n
        clock -1h         ->
        a: two\n          -> 11:00:00 a | two\n
        +1s a: three\n    -> 11:00:01 a | three\n
        clock -500ms      ->
        a: four\n         -> 11:00:00 a | four\n
        clock 3h          ->
        a: five\n         -> 14:00:00 a | five\n
        # Pauses do not depend on it.
        a: name?          ->
        clock -24h        ->
        +250ms            -> 14:00:00 a | name?
        ",
    );
}

#[test]
fn a_format_with_a_fraction_follows_every_reading() {
    check_as(
        &timed(Stamp::parse("%S%.3f").unwrap()),
        r"
        a: one\n          -> 00.000 a | one\n
        +1ms a: two\n     -> 00.001 a | two\n
        ",
    );
}

// Raw

#[test]
fn raw_output_has_no_line_of_procmans() {
    check_as(
        &raw(),
        r"
        say a: started with pid 1  ->
        a: on                      ->
        say: hello                 ->
        b: \e[31mred\n             -> \e[31mred\n
        a: e\ntwo                  -> one\n
        say a: exited with code 0  -> two\n
        close a                    ->
        ",
    );
}

#[test]
fn a_raw_prompt_ends_when_others_write_but_not_when_procman_speaks() {
    check_as(
        &raw(),
        r"
        a: \e[1mname?              ->
        +250ms                     -> \e[1mname?
        say: hello                 ->
        a: Bob                     -> Bob
        b: tick\n                  -> \ntick\n
        a: by\n                    -> by\n
        b: sure?                   ->
        +250ms                     -> sure?
        say b: exited with code 0  -> \n
        ",
    );
}

// JSON

#[test]
fn a_record_tells_time_process_and_pid() {
    let mut player = Player::new(&json());
    player.pass(Duration::from_micros(1_500_007));
    let output = player.feed(StreamKey(1), b"\x1b[31mred\n");
    let expected =
        r#"{"time":"2026-01-01T12:00:01.500007Z","process":"b","pid":2,"message":"\u001b[31mred"}"#;
    assert_eq!(String::from_utf8(output).unwrap(), format!("{expected}\n"));
}

#[test]
fn every_line_is_a_record() {
    check_as(
        &json(),
        r#"
        a: one\ntwo\n              -> a "one", a "two"
        a: \n                      -> a ""
        a: on                      ->
        b: A\0\xFFB\n              -> b "A\0�B" lossy
        say: hello                 -> system "hello"
        a: e\n                     -> a "one"
        a: two                     ->
        say a: exited with code 0  -> a "two", a "exited with code 0"
        a: three                   ->
        close a                    -> a "three"
        "#,
    );
}

#[test]
fn no_record_stands_open() {
    check_as(
        &json(),
        r#"
        a: name?                   ->
        +250ms                     -> a "name?" partial
        b: tick\n                  -> b "tick"
        a: Bob                     ->
        +250ms                     -> a "Bob" partial
        a: by\n                    -> a "by"
        a: x{65536}                -> a "x{65536}" partial
        b: tick\n                  -> b "tick"
        a: y{65535}                ->
        a: \n                      -> a "y{65535}"
        "#,
    );
}

/// The end of an instance seemed to be the rest of its prompt.
#[test]
fn a_partial_record_is_followed_by_its_end() {
    check_as(
        &json(),
        r#"
        a: name?                   ->
        +250ms                     -> a "name?" partial
        say a: exited with code 0  -> a "", a "exited with code 0"
        a: name?                   ->
        +250ms                     -> a "name?" partial
        a: \n                      -> a ""
        a: name?                   ->
        +250ms                     -> a "name?" partial
        close a                    -> a ""
        "#,
    );
}

#[test]
fn a_record_holds_back_half_a_character() {
    check_as(
        &json(),
        r#"
        a: caf\xC3                 ->
        +250ms                     -> a "caf" partial
        next deadline?             -> none
        a: \xA9\n                  -> a "é"
        a: caf\xC3                 ->
        +250ms                     -> a "caf" partial
        a: \n                      -> a "�" lossy
        "#,
    );
}

// Returns to the beginning of a line, on a terminal

#[test]
fn what_goes_back_to_the_beginning_of_its_line_goes_back_to_the_prefix() {
    check_as(
        &on_terminal(),
        r"
        a: 10%\r20%\r30%\n    -> a | 10%\ra | 20%\ra | 30%\n
        a: \r10%\r20%\n       -> a | \ra | 10%\ra | 20%\n
        # At the end of a line nothing would be overwritten.
        a: one\r\ntwo\r\r\n   -> a | one\r\na | two\r\r\n
        a: x\r\ry\n           -> a | x\r\ra | y\n
        a: \e[2K\r\e[Kx\n     -> a | \e[2K\ra | \e[Kx\n
        ",
    );
}

#[test]
fn a_progress_bar_that_grows_stays_behind_its_prefix() {
    check_as(
        &on_terminal(),
        r"
        a: 10%             ->
        +250ms             -> a | 10%
        +1s a: \r20%       -> \ra | 20%
        +1s a: \r          -> \r
        +1s a: 30%\r       -> a | 30%\r
        +1s a: \r40%\r     -> \ra | 40%\r
        # The others begin a line of their own, and it goes on in another.
        b: tick\n          -> \nb | tick\n
        a: 50%\r           ->
        +250ms             -> a + 50%\r
        +1s a: 60%\r       -> a + 60%\r
        +1s a: 70%\n       -> a + 70%\n
        a: 10%\r           ->
        +250ms             -> a | 10%\r
        +1s a: \ndone\n    -> \na | done\n
        ",
    );
}

#[test]
fn no_colour_reaches_a_prefix_that_is_written_again() {
    check_as(
        &Style { returns: Returns::Prefixed, colour: Colour::Reset, ..text() },
        r"
        a: \e[32m10%\r20%\e[0m\r30%\n  -> a | \e[32m10%\r\e[0ma | 20%\e[0m\ra | 30%\n
        a: \e[32m10%\r                 ->
        +250ms                         -> a | \e[32m10%\r
        a: 20%                         -> \e[0ma | 20%
        a: \n                          -> \e[0m\n
        ",
    );
}

#[test]
fn only_text_has_a_prefix_that_a_return_needs() {
    check_as(
        &Style { returns: Returns::Prefixed, ..raw() },
        r"
        a: 10%\r20%\n        -> 10%\r20%\n
        a: 10%\r             ->
        +250ms               -> 10%\r
        +1s a: 20%\n         -> 20%\n
        ",
    );
    check_as(&Style { returns: Returns::Prefixed, ..json() }, r#"a: 10%\r20%\n -> a "10%\r20%""#);
}

// Deadlines

#[test]
fn nothing_held_means_nothing_to_wake_for() {
    check(
        r"
        next deadline?     -> none
        a: one\n           -> a | one\n
        next deadline?     -> none
        a: on              ->
        b: two             ->
        +100ms             ->
        next deadline?     -> 250ms
        a: e\n             -> a | one\n
        next deadline?     -> 250ms
        close b            -> b | two\n
        next deadline?     -> none
        ",
    );
}

#[test]
fn a_flowing_line_nobody_waits_for_has_no_deadline() {
    check(
        r"
        a: x{65536}\xC3    -> a | x{65536}
        next deadline?     -> none
        b: half            -> waits until 250ms
        next deadline?     -> none
        ",
    );
}
