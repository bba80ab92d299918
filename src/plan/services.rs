//! Where the backing services are that types need, and which types they need: what of a policy follows from the variables
//! and from the formation.

use crate::plan::{Plan, Shared};
use crate::policy::{Endpoint, Need, NoEndpoint, Policy, Service};
use crate::procfile::ProcessType;
use crate::service;

impl Plan {
    /// Lets every type that has a policy wait for the services of all variables whose names end in `_URL`. Returns those
    /// variables whose service is an instance of the formation itself.
    pub fn wait_for_services(&mut self) -> Vec<String> {
        let (others, own) = self.services();
        for policy in self.policies.values_mut() {
            for need in others.iter().cloned().map(Need::Service) {
                if !policy.needs.contains(&need) {
                    policy.needs.push(need);
                }
            }
        }
        own.into_iter().map(|service| service.name).collect()
    }

    /// Returns the services that one can connect to of all variables whose names end in `_URL`: those to wait for, and
    /// those that an instance of the formation itself is to be, for which nothing can wait before it runs.
    pub fn services(&self) -> (Vec<Service>, Vec<Service>) {
        let has_port =
            |port| self.formation.instances().any(|instance| self.port_of(&instance) == Some(port));
        let is_own = |service: &Service| match &service.endpoint {
            Ok(Endpoint::Tcp { host, port }) => service::is_loopback(host) && has_port(*port),
            Ok(Endpoint::Unix(_)) | Err(_) => false,
        };
        let (own, others) =
            self.shared.services().filter(|service| service.endpoint.is_ok()).partition(is_own);
        (others, own)
    }

    /// Returns the service of a variable that every process has.
    pub fn service_of(&self, variable: &str) -> Service {
        self.shared.service_of(variable)
    }

    /// Returns which types of the formation need which that it has no instance of.
    pub fn missing(&self) -> Vec<(&ProcessType, &ProcessType)> {
        let is_there = |process: &ProcessType| {
            self.formation.counts().iter().any(|(name, count)| name == process && *count > 0)
        };
        let there = self.policies.iter().filter(|(process, _)| is_there(process));
        let needs = there.flat_map(|(process, policy)| policy.needs.iter().map(move |need| (process, need)));
        let needed = needs.filter_map(|(process, need)| match need {
            Need::Process(needed) => Some((process, needed)),
            Need::Service(_) => None,
        });
        needed.filter(|(_, needed)| !is_there(needed)).collect()
    }
}

impl Shared {
    /// Finds out where the services of variables are. A URL has said that itself.
    pub(super) fn find_services(&self, policy: &mut Policy) {
        for need in &mut policy.needs {
            if let Need::Service(service) = need
                && service.endpoint == Err(NoEndpoint::Unset)
            {
                *service = self.service_of(&service.name);
            }
        }
    }

    fn service_of(&self, variable: &str) -> Service {
        let value = self.variables.iter().find(|(name, _)| *name == *variable);
        service::of_variable(variable, value.map(|(_, value)| value.as_os_str()))
    }

    /// Returns the services of all variables whose names say that their values are URLs.
    fn services(&self) -> impl Iterator<Item = Service> {
        let named = self.variables.iter().filter_map(|(name, value)| Some((name.to_str()?, value)));
        let named = named.filter(|(name, _)| name.ends_with("_URL"));
        named.map(|(name, value)| service::of_variable(name, Some(value)))
    }
}
