//! Instances as processes: how one is started, and how a signal reaches it.

use crate::formation::InstanceId;
use crate::output::{Sought, Source, StreamKey};
use crate::policy::Sign;
use crate::process::{Exit, Pid, Signal};
use crate::runtime::Runtime;
use crate::runtime::children::End;
use crate::runtime::order::with_order;
use crate::supervisor::Event;
use crate::sys::child::{self, Output};
use crate::sys::link::FromSupervisor;
use crate::sys::memory::OutOfMemory;
use crate::sys::notify::Notices;
use crate::sys::{signals, stdio};

/// An instance that has been spawned.
pub struct Live {
    pub group: Pid,
    pub stream: StreamKey,
    /// How the leader has ended, when it has.
    pub exit: Option<Exit>,
}

impl Runtime<'_> {
    pub fn spawn(&mut self, id: InstanceId) {
        // The plan has been asked about every instance before the first was started.
        let Some(mut invocation) = self.plan.instance(&id) else {
            return self.facts.push(Event::SpawnFailed { id, exit: Exit::Code(1) });
        };
        let socket = self.notice_socket(&id);
        if let Some(socket) = &socket {
            invocation.environment.set_notify_socket(socket.address());
        }
        let streams = self.streams(&id);
        let spawned = with_order(&invocation, self.open_files, |order| child::spawn(order, streams));
        match spawned {
            Ok((mut child, output)) => {
                let pid = child.pid();
                let stream = StreamKey(self.next_stream);
                self.next_stream += 1;
                let position = self.plan.position(&id.process);
                let source = Source { name: id.to_string(), pid: pid.0, position };
                if let Output::Terminal(master) = &output {
                    self.terminals.insert(id.to_string(), master.clone());
                }
                let sought = self.sought(&id);
                self.pump.open(stream, source, output, sought, format!("started with pid {pid}"));
                self.tell_guard(FromSupervisor::GroupStarted(pid));
                self.instances.insert(id.clone(), Live { group: pid, stream, exit: None });
                if let Some(socket) = socket {
                    self.errands.listen(&id, pid, socket);
                }
                self.facts.push(Event::Spawned { id: id.clone(), pid });
                let ends = self.end_sender.clone();
                tokio::spawn(async move {
                    // Waiting fails only for a child that somebody else has reaped, and nobody does.
                    let exit = child.ended().await.unwrap_or(Exit::Code(1));
                    let _ = ends.send(End { id, child, exit });
                });
                self.memory.get_or_insert_with(OutOfMemory::watch);
            }
            Err(error) => {
                self.facts.push(Event::SpawnFailed { id: id.clone(), exit: error.exit() });
                self.failure.get_or_insert((id, error));
            }
        }
    }

    /// Returns the line by which an instance is known to be ready, where it is a line.
    fn sought(&self, id: &InstanceId) -> Option<Sought> {
        match self.sign(id) {
            // One that is no pattern has been refused when it was read.
            Some(Sign::Log(pattern)) => Sought::new(pattern),
            Some(Sign::Probe(_) | Sign::Notify) | None => None,
        }
    }

    /// Returns a socket for what an instance says of itself, where that is how it is known to be ready.
    fn notice_socket(&mut self, id: &InstanceId) -> Option<Notices> {
        match self.sign(id)? {
            Sign::Notify => {}
            Sign::Probe(_) | Sign::Log(_) => return None,
        }
        match self.errands.socket() {
            Ok(socket) => Some(socket),
            Err(error) => {
                let reason = stdio::plain(&error);
                self.pump.say(format!("{id} cannot say that it is ready, for there is no socket: {reason}"));
                None
            }
        }
    }

    fn sign(&self, id: &InstanceId) -> Option<&Sign> {
        let ready = self.plan.policies().get(&id.process)?.ready.as_ref();
        ready.map(|ready| &ready.sign)
    }

    pub fn signal(&mut self, id: &InstanceId, signal: Signal) {
        let Some(live) = self.instances.get(id) else { return };
        match signals::signal_group(live.group, signal) {
            Ok(()) if signal == Signal::KILL => self.groups.killed(live.group),
            Ok(()) => {}
            Err(error) => {
                let (group, reason) = (live.group, stdio::plain(&error));
                self.pump.say(format!("{signal} cannot be sent to {id} (process group {group}): {reason}"));
            }
        }
    }
}
