//! What an instance says of itself by sd_notify(3), heard as long as it lives.

use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tokio::time::sleep;

use crate::control::notify::{LONGEST, Word, words};
use crate::formation::InstanceId;
use crate::process::Pid;
use crate::runtime::errands::{News, Ticket};
use crate::sys::notify::{Author, Notices};
use crate::sys::ready::{Left, Ready};
use crate::sys::{census, files};

/// How many messages are taken at once; whoever sends more waits.
const MOST: usize = 64;
/// For how long none is taken after that, so that nobody keeps the loop busy.
const PAUSE: Duration = Duration::from_millis(10);

/// Listens, and tells what has been said by those who may.
pub async fn listen(socket: Notices, leader: Pid, ticket: Ticket, id: InstanceId, news: Sender<News>) {
    // Where it cannot be waited for, nothing is ever heard, and the deadline tells.
    let Ok(mut socket) = Ready::new(socket) else { return };
    let mut buffer = [0; LONGEST];
    loop {
        let Ok(words) = socket.read_some(|socket| take(socket, leader, &mut buffer)).await else { return };
        if !words.is_empty() {
            let _ = news.send(News::Said { ticket, id: id.clone(), words }).await;
        }
        sleep(PAUSE).await;
    }
}

/// Takes the next messages, and returns what they say together.
fn take(socket: &Notices, leader: Pid, buffer: &mut [u8]) -> (Vec<Word>, Left) {
    let mut gathered = Vec::new();
    for _ in 0..MOST {
        let Ok((length, author)) = socket.receive(buffer) else { return (gathered, Left::Nothing) };
        if may_speak(author, leader) {
            words(&buffer[..length]).into_iter().for_each(|word| gather(&mut gathered, word));
        }
    }
    (gathered, Left::Something)
}

/// Adds a word in the place of an earlier one of its kind.
fn gather(words: &mut Vec<Word>, word: Word) {
    words.retain(|other| std::mem::discriminant(other) != std::mem::discriminant(&word));
    words.push(word);
}

/// Returns whether it is the instance that has spoken, or somebody who could make it speak: this user and root, and
/// where the instance has given its rights away, whoever is in its group.
fn may_speak(author: Author, leader: Pid) -> bool {
    match author {
        Author::Allowed => true,
        Author::Process(pid, user) => {
            user == files::own_user()
                || user == 0
                || census::process(pid).is_some_and(|process| process.group == leader)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use std::time::Duration;

    use super::{Left, MOST, gather, may_speak, take};
    use crate::control::notify::Word;
    use crate::process::Pid;
    use crate::sys::notify::tests::send;
    use crate::sys::notify::{Author, Notices};
    use crate::sys::{census, files};

    fn status(text: &str) -> Word {
        Word::Status(text.to_owned())
    }

    #[test]
    fn of_many_words_the_last_of_each_kind_stays() {
        let mut words = Vec::new();
        for word in [status("a"), Word::Ready, Word::Extend(Duration::ZERO), status("b"), Word::Ready] {
            gather(&mut words, word);
        }
        assert_eq!(words, [Word::Extend(Duration::ZERO), status("b"), Word::Ready]);
    }

    #[test]
    fn whoever_says_much_is_heard_a_part_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let socket = Notices::listen(directory.path()).unwrap();
        let mut buffer = [0; 100];
        let mut hear = || take(&socket, Pid(0), &mut buffer);
        assert_eq!(hear(), (Vec::new(), Left::Nothing));
        send(socket.address(), b"STATUS=one");
        send(socket.address(), b"READY=1\nSTATUS=two");
        assert_eq!(hear(), (vec![Word::Ready, status("two")], Left::Nothing));
        // The queue of a socket may hold ten only.
        for _ in 0..MOST / 8 {
            send(socket.address(), b"WATCHDOG=1");
        }
        assert_eq!(hear(), (Vec::new(), Left::Nothing));
    }

    #[test]
    fn a_stranger_is_not_heard() {
        let own = files::own_user();
        let stranger = own + 1;
        assert!(may_speak(Author::Process(Pid(1), own), Pid(7)));
        assert!(may_speak(Author::Process(Pid(1), 0), Pid(7)));
        assert!(!may_speak(Author::Process(census::own_pid(), stranger), Pid(i32::MAX)));
        assert!(!may_speak(Author::Process(Pid(0), stranger), Pid(7)));
        // Where it can be seen who is in which group, that of the instance may be anybody's.
        if let Some(own) = census::process(census::own_pid()) {
            assert!(may_speak(Author::Process(own.pid, stranger), own.group));
        }
    }
}
