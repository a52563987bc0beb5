//! Modules that are pushed and deleted until the server is killed, and what must be there afterwards.
//! Invariant: what was answered holds; what was not is done or not done, and never half.

use potok_tests::guests::built_guest;
use potok_tests::server::Server;
use serde_json::Value;
use std::collections::BTreeMap;

/// Modules that nothing runs, so that they can be deleted.
pub(super) const MODULES: [&str; 2] = ["flight-delays", "flight-weather"];
const NAMES: usize = 5;

/// What the server was asked for and what it answered.
#[derive(Debug, Default)]
pub(super) struct Uploads {
    pub(super) answered: u64,
    /// Names by the module that each points at.
    there: BTreeMap<String, &'static str>,
    /// The request that was never answered: the name, and the module that it was to point at, or none.
    open: Option<(String, Option<&'static str>)>,
}

impl Uploads {
    /// Pushes and deletes in turn until the server is gone.
    pub(super) async fn run(mut self, base: String, http: reqwest::Client) -> Uploads {
        for turn in 0.. {
            let name = format!("m-{}", turn % NAMES);
            let url = format!("{base}/v1/modules/{name}");
            let module = (!self.there.contains_key(&name)).then(|| MODULES[turn % MODULES.len()]);
            let request = match module {
                Some(module) => {
                    http.put(url).header("content-type", "application/wasm").body(built_guest(module))
                }
                None => http.delete(url),
            };
            let Ok(answer) = request.send().await else {
                self.open = Some((name, module));
                return self;
            };
            assert!(answer.status().is_success(), "{name}: {answer:?}");
            self.answered += 1;
            match module {
                Some(module) => self.there.insert(name, module),
                None => self.there.remove(&name),
            };
        }
        self
    }
    /// Compares every name, takes in what became of the open request, and sees that a module that is there can be read whole.
    pub(super) async fn check(&mut self, server: &Server) {
        let open = self.open.take();
        for name in (0..NAMES).map(|index| format!("m-{index}")) {
            let mut legal = vec![self.there.get(&name).copied()];
            legal.extend(open.as_ref().filter(|(asked, _)| *asked == name).map(|(_, module)| *module));
            let found = found(server, &name).await;
            assert!(legal.contains(&found), "{name} is {found:?} and not one of {legal:?}");
            match found {
                Some(module) => self.there.insert(name, module),
                None => self.there.remove(&name),
            };
        }
    }
}

/// The module that a name points at, by its bytes.
async fn found(server: &Server, name: &str) -> Option<&'static str> {
    let (status, _): (_, Value) = server.look(&format!("/v1/modules/{name}")).await;
    let component =
        server.http.get(server.url(&format!("/v1/modules/{name}/component"))).send().await.unwrap();
    assert_eq!(status, component.status(), "{name}: its name and its bytes disagree");
    if !status.is_success() {
        return None;
    }
    let bytes = component.bytes().await.unwrap();
    let module = MODULES.into_iter().find(|module| built_guest(module) == bytes);
    Some(module.unwrap_or_else(|| panic!("{name} is half there: {} bytes", bytes.len())))
}
