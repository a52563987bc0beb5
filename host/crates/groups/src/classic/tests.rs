//! The group as its clients see it: a script of joins, syncs and silences, and what each is answered.

use super::*;
use std::time::Duration;

const SESSION: Duration = Duration::from_secs(10);
const REBALANCE: Duration = Duration::from_secs(60);

struct Script {
    group: ClassicGroup,
    now: Timestamp,
    tickets: u64,
}

impl Script {
    fn new(delay_ms: u64) -> Script {
        let settings = GroupSettings {
            initial_rebalance_delay: Duration::from_millis(delay_ms),
            ..GroupSettings::default()
        };
        Script { group: ClassicGroup::new(settings, Timestamp(0)), now: Timestamp(0), tickets: 0 }
    }
    fn request(member_id: &str, fresh: &str, protocols: &[&str]) -> JoinRequest {
        JoinRequest {
            member_id: member_id.into(),
            fresh_member_id: fresh.into(),
            instance_id: None,
            client_id: "c".into(),
            client_host: "/127.0.0.1".into(),
            session_timeout: SESSION,
            rebalance_timeout: REBALANCE,
            protocol_type: "consumer".into(),
            protocols: protocols
                .iter()
                .map(|p| Protocol { name: (*p).into(), metadata: Bytes::from_static(b"m") })
                .collect(),
            require_known_id: false,
            can_skip_assignment: false,
        }
    }
    fn join(&mut self, request: JoinRequest) -> (Ticket, Vec<Effect>) {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        (ticket, self.group.join(self.now, ticket, request))
    }
    fn sync(&mut self, member: &str, assignments: &[(&str, &'static [u8])]) -> Vec<Effect> {
        self.tickets += 1;
        let request = SyncRequest {
            member_id: member.into(),
            instance_id: None,
            generation: self.group.generation(),
            protocol_type: None,
            protocol: None,
            assignments: assignments.iter().map(|(id, a)| ((*id).into(), Bytes::from_static(a))).collect(),
        };
        self.group.sync(self.now, Ticket(self.tickets), request)
    }
    fn after(&mut self, millis: u64) -> Vec<Effect> {
        self.now = self.now.plus(Duration::from_millis(millis));
        self.group.tick(self.now)
    }
    /// A stable group of `a` (leader) and `b`.
    fn stable() -> Script {
        let mut script = Script::new(100);
        script.join(Script::request("", "a", &["range"]));
        script.join(Script::request("", "b", &["range"]));
        let joined = script.after(200);
        assert_eq!(joined.len(), 2, "{joined:?}");
        script.sync("b", &[]);
        let synced = script.sync("a", &[("a", b"A"), ("b", b"B")]);
        assert_eq!(assignments(&synced), ["A", "B"]);
        assert_eq!(script.group.state(), GroupState::Stable);
        script
    }
}

fn joins(effects: &[Effect]) -> Vec<String> {
    effects
        .iter()
        .filter_map(|e| match e {
            Effect::Join(_, Ok(r)) => {
                Some(format!("{} g{} leader {} of {}", r.member_id, r.generation, r.leader, r.members.len()))
            }
            Effect::Join(_, Err(e)) => Some(format!("{e:?}")),
            Effect::Sync(..) | Effect::Persist => None,
        })
        .collect()
}
fn assignments(effects: &[Effect]) -> Vec<String> {
    effects
        .iter()
        .filter_map(|e| match e {
            Effect::Sync(_, Ok(r)) => Some(String::from_utf8_lossy(&r.assignment).into_owned()),
            Effect::Sync(_, Err(e)) => Some(format!("{e:?}")),
            Effect::Join(..) | Effect::Persist => None,
        })
        .collect()
}

#[test]
fn members_that_start_together_join_one_generation() {
    let mut s = Script::new(100);
    assert!(s.join(Script::request("", "a", &["range"])).1.is_empty());
    s.after(50);
    assert!(s.join(Script::request("", "b", &["range"])).1.is_empty());
    assert!(s.after(99).is_empty(), "the second member prolongs the wait");
    assert_eq!(joins(&s.after(1)), ["a g1 leader a of 2", "b g1 leader a of 0"]);
}

#[test]
fn a_first_join_is_answered_with_an_id_and_the_id_joins() {
    let mut s = Script::new(0);
    let first = JoinRequest { require_known_id: true, ..Script::request("", "a", &["range"]) };
    assert_eq!(joins(&s.join(first).1), ["MemberIdRequired(\"a\")"]);
    assert_eq!(joins(&s.join(Script::request("a", "", &["range"])).1), ["a g1 leader a of 1"]);
    assert_eq!(joins(&s.join(Script::request("nobody", "", &["range"])).1), ["UnknownMember"]);
}

#[test]
fn a_newcomer_makes_everybody_join_again_and_heartbeats_say_so() {
    let mut s = Script::stable();
    assert!(s.join(Script::request("", "c", &["range"])).1.is_empty());
    assert_eq!(s.group.heartbeat(s.now, "a", None, 1), Err(GroupError::RebalanceInProgress));
    s.join(Script::request("a", "", &["range"]));
    let done = s.join(Script::request("b", "", &["range"])).1;
    assert_eq!(joins(&done), ["a g2 leader a of 3", "b g2 leader a of 0", "c g2 leader a of 0"]);
    assert_eq!(s.group.heartbeat(s.now, "b", None, 1), Err(GroupError::IllegalGeneration));
}

#[test]
fn who_does_not_rejoin_in_time_is_left_out() {
    let mut s = Script::stable();
    s.join(Script::request("a", "", &["range", "x"]));
    assert_eq!(
        s.group.heartbeat(s.now.plus(SESSION / 2), "b", None, 1),
        Err(GroupError::RebalanceInProgress)
    );
    let done = s.after(11_000);
    assert_eq!(joins(&done), Vec::<String>::new(), "b still lives");
    let done = s.after(5_000);
    assert_eq!(joins(&done), ["a g2 leader a of 1"], "b fell silent and the group goes on without it");
}

#[test]
fn a_silent_leader_is_replaced() {
    let mut s = Script::stable();
    s.now = s.now.plus(Duration::from_secs(9));
    s.group.heartbeat(s.now, "b", None, 1).unwrap();
    s.after(2_000);
    assert_eq!(s.group.state(), GroupState::PreparingRebalance);
    assert_eq!(joins(&s.join(Script::request("b", "", &["range"])).1), ["b g2 leader b of 1"]);
}

#[test]
fn the_protocol_that_all_share_and_most_prefer_wins() {
    let mut s = Script::new(100);
    s.join(Script::request("", "a", &["sticky", "range"]));
    s.join(Script::request("", "b", &["range", "sticky"]));
    s.join(Script::request("", "c", &["range", "other", "sticky"]));
    s.after(300);
    assert_eq!(s.group.protocol(), Some("range"));
    let alone = s.join(Script::request("", "d", &["unheard-of"])).1;
    assert_eq!(joins(&alone), ["InconsistentProtocol"]);
}

#[test]
fn a_follower_that_lost_its_answer_is_told_again_and_a_leader_rebalances() {
    let mut s = Script::stable();
    assert_eq!(joins(&s.join(Script::request("b", "", &["range"])).1), ["b g1 leader a of 0"]);
    assert_eq!(s.group.state(), GroupState::Stable);
    assert!(s.join(Script::request("a", "", &["range"])).1.is_empty());
    assert_eq!(s.group.state(), GroupState::PreparingRebalance);
}

#[test]
fn a_static_member_comes_back_unnoticed_and_its_former_self_is_fenced() {
    let mut s = Script::new(0);
    let fixed =
        |fresh: &str| JoinRequest { instance_id: Some("i".into()), ..Script::request("", fresh, &["range"]) };
    assert_eq!(joins(&s.join(fixed("a1")).1), ["a1 g1 leader a1 of 1"]);
    s.sync("a1", &[("a1", b"A")]);
    let back = s.join(fixed("a2")).1;
    assert_eq!(
        joins(&back),
        ["a2 g1 leader a1 of 0"],
        "it is told of its former self as leader, so that it assigns nothing"
    );
    assert_eq!(s.group.state(), GroupState::Stable);
    assert_eq!(s.group.heartbeat(s.now, "a1", Some("i"), 1), Err(GroupError::FencedInstance));
    assert_eq!(assignments(&s.sync("a2", &[])), ["A"]);
}

#[test]
fn silent_static_members_with_no_time_to_rejoin_are_not_looked_at_again_and_again() {
    let mut s = Script::new(0);
    let fixed = |instance: &str| JoinRequest {
        instance_id: Some(instance.into()),
        rebalance_timeout: Duration::ZERO,
        ..Script::request("", instance, &["range"])
    };
    s.join(fixed("a"));
    s.sync("a", &[("a", b"A")]);
    s.join(fixed("b"));
    s.join(JoinRequest { member_id: "a".into(), ..fixed("a") });
    s.sync("a", &[]);
    s.sync("b", &[]);
    assert_eq!(s.group.state(), GroupState::Stable);
    s.group.leave(s.now, &[LeaveRequest { member_id: "b".into(), instance_id: None }]);
    s.after(0);
    assert_eq!(
        s.group.state(),
        GroupState::PreparingRebalance,
        "a is silent, and stays until its session ends"
    );
    assert_eq!(s.group.next_deadline(), Some(s.now.plus(SESSION)));
    s.after(10_000);
    assert_eq!(s.group.state(), GroupState::Empty);
}

#[test]
fn leaving_empties_the_group_and_only_then_it_can_be_deleted() {
    let mut s = Script::stable();
    assert_eq!(s.group.may_delete(), Err(GroupError::NotEmpty));
    let both: Vec<_> =
        ["a", "b", "zzz"].map(|id| LeaveRequest { member_id: id.into(), instance_id: None }).into();
    let (results, effects) = s.group.leave(s.now, &both);
    assert_eq!(results, [Ok(()), Ok(()), Err(GroupError::UnknownMember)]);
    assert!(effects.contains(&Effect::Persist));
    assert_eq!((s.group.state(), s.group.may_delete()), (GroupState::Empty, Ok(())));
}

#[test]
fn commits_are_fenced_by_member_and_generation() {
    let s = Script::stable();
    assert_eq!(s.group.may_commit("a", None, 1, false), Ok(()));
    assert_eq!(s.group.may_commit("a", None, 0, false), Err(GroupError::IllegalGeneration));
    assert_eq!(s.group.may_commit("zzz", None, 1, false), Err(GroupError::UnknownMember));
    assert_eq!(s.group.may_commit("", None, -1, false), Err(GroupError::UnknownMember));
    assert_eq!(s.group.may_commit("", None, -1, true), Ok(()), "a transaction need not say who");
    assert_eq!(Script::new(0).group.may_commit("", None, -1, false), Ok(()));
}

#[test]
fn who_joins_but_never_syncs_is_expelled() {
    let mut s = Script::new(0);
    s.join(Script::request("", "a", &["range"]));
    for _ in 0..10 {
        s.now = s.now.plus(Duration::from_secs(6));
        let _ = s.group.heartbeat(s.now, "a", None, 1);
    }
    s.group.tick(s.now);
    assert_eq!(s.group.state(), GroupState::Empty, "heartbeats alone do not save it");
}

#[test]
fn a_group_that_was_kept_goes_on_where_it_was() {
    let s = Script::stable();
    let later = Timestamp(1_000_000);
    let mut again = ClassicGroup::restore(GroupSettings::default(), later, s.group.snapshot());
    assert_eq!((again.state(), again.generation(), again.leader()), (GroupState::Stable, 1, Some("a")));
    assert_eq!(again.heartbeat(later, "b", None, 1), Ok(()));
    assert!(again.tick(later.plus(SESSION / 2)).is_empty());
}

#[test]
fn sessions_out_of_bounds_and_full_groups_are_refused() {
    let mut s = Script::new(0);
    let short =
        JoinRequest { session_timeout: Duration::from_secs(1), ..Script::request("", "a", &["range"]) };
    assert_eq!(joins(&s.join(short).1), ["InvalidSessionTimeout"]);
    s.group.settings.members_max = 1;
    s.join(Script::request("", "a", &["range"]));
    assert_eq!(joins(&s.join(Script::request("", "b", &["range"])).1), ["Full"]);
}
