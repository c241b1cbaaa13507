# SPDX-License-Identifier: Apache-2.0
"""What each event does to the metrics."""

from __future__ import annotations

from plugins.prometheus.tests.scrapes import Scraped
from tests.unit.events.lives import Life
from tlshub_core.api import Mode, Reason, Side, State, events


def test_a_secured_connection(scraped: Scraped) -> None:
    scraped.write(*Life().whole()[:-1])
    assert scraped.get("connections_total", side="client", mode="require") == 1
    secured = {"outcome": "secured", "reason": "none", "provider": "openssl", "mode": "require"}
    assert scraped.get("connections_decided_total", **secured) == 1
    assert scraped.get("connections_open", standing="secured") == 1
    assert scraped.get("connections_open", standing="pending") == 0


def test_times_are_those_of_the_events(scraped: Scraped) -> None:
    scraped.write(*Life(side=Side.SERVER).whole())
    labels = {"provider": "openssl", "side": "server"}
    for name, seconds in (("hold", 0.002), ("negotiation", 0.004), ("setup", 0.008)):
        assert scraped.get(f"{name}_seconds_count", **labels) == 1
        assert abs(scraped.get(f"{name}_seconds_sum", **labels) - seconds) < 1e-9
    assert scraped.get("negotiation_seconds_bucket", **labels, le="0.0025") == 0
    assert scraped.get("negotiation_seconds_bucket", **labels, le="0.005") == 1


def test_payload_counts_by_what_became_of_it(scraped: Scraped) -> None:
    secured, clear = Life(), Life(mode=Mode.PREFER)
    scraped.write(*secured.whole()[:-1], secured.closed(10, 20, secured=True))
    scraped.write(clear.connecting(), clear.released(), clear.closed(1000, 2**64 - 1))
    assert scraped.get("payload_bytes_total", outcome="secured", direction="sent") == 10
    assert scraped.get("payload_bytes_total", outcome="secured", direction="received") == 20
    assert scraped.get("payload_bytes_total", outcome="released", direction="sent") == 1000
    assert scraped.get("payload_bytes_total", outcome="released", direction="received") == float(2**64)
    assert scraped.get("gate_restarts_total") == 6
    assert set(scraped.all("connections_open").values()) == {0}


def test_refused_and_released_say_why(scraped: Scraped) -> None:
    refused, released = Life(), Life(mode=Mode.PREFER)
    scraped.write(refused.connecting(), refused.asked(), refused.refused(Reason.DEADLINE))
    scraped.write(released.connecting(), released.released(Reason.NO_AGENT))
    why = {"outcome": "refused", "reason": "deadline", "provider": "openssl", "mode": "require"}
    assert scraped.get("connections_decided_total", **why) == 1
    why = {"outcome": "released", "reason": "no-agent", "provider": "none", "mode": "prefer"}
    assert scraped.get("connections_decided_total", **why) == 1


def test_what_ends_undecided_is_decided_by_its_end(scraped: Scraped) -> None:
    early, watched = Life(), Life(mode=Mode.OBSERVE)
    scraped.write(early.connecting(), early.closed(), watched.connecting(), watched.closed())
    none = {"reason": "none", "provider": "none"}
    assert scraped.get("connections_decided_total", outcome="undecided", mode="require", **none) == 1
    assert scraped.get("connections_decided_total", outcome="observed", mode="observe", **none) == 1
    assert scraped.get("payload_bytes_total", outcome="observed", direction="sent") == 100


def test_where_events_were_lost_each_connection_counts_once(scraped: Scraped) -> None:
    undecided, unknown = Life(), Life()
    scraped.write(undecided.connecting(), undecided.closed(1, 1, secured=True), unknown.closed(2, 2))
    decided = scraped.all("connections_decided_total")
    assert [dict(labels)["outcome"] for labels in decided] == ["secured"]
    assert list(decided.values()) == [1]
    assert scraped.get("payload_bytes_total", outcome="secured", direction="sent") == 1
    assert scraped.get("payload_bytes_total", outcome="unknown", direction="sent") == 2


def test_a_refusal_of_a_connection_that_nobody_saw_counts(scraped: Scraped) -> None:
    scraped.write(events.Refused(time_ns=1, reason=Reason.TABLE_FULL, detail=""))
    why = {"outcome": "refused", "reason": "table-full", "provider": "none", "mode": "unknown"}
    assert scraped.get("connections_decided_total", **why) == 1
    assert set(scraped.all("connections_open").values()) == {0}, "it will not be told of its end"


def test_what_an_earlier_agent_left_stands_where_it_stood(scraped: Scraped) -> None:
    lives = {state: Life(mode=Mode.PREFER) for state in State}
    scraped.write(*(life.taken_over(state) for state, life in lives.items()))
    stands = {"pending": 4, "secured": 1, "released": 1, "refused": 1, "observed": 0}
    assert {name: scraped.get("connections_open", standing=name) for name in stands} == stands
    assert scraped.get("connections_taken_over_total", state="open") == 1
    assert scraped.all("connections_decided_total") == {}, "the agent before counted those"
    scraped.write(lives[State.OPEN].closed(5, 5, secured=True))
    assert scraped.get("connections_open", standing="secured") == 0


def test_sessions_come_and_go(scraped: Scraped) -> None:
    up = events.SessionUp(time_ns=1, node="b", address="10.0.0.2", dialler=True)
    down = events.SessionDown(time_ns=2, node="b", address="10.0.0.2", dialler=True, reason=Reason.CLOSED, detail="")
    failed = events.SessionDown(time_ns=2, node="", address="", dialler=True, reason=Reason.DEADLINE, detail="")
    scraped.write(up, up, failed)
    assert scraped.get("sessions_up", dialler="yes") == 2
    scraped.write(down, down, down)
    assert scraped.get("sessions_up", dialler="yes") == 0, "never less than none"
    assert scraped.get("sessions_total", dialler="yes") == 2
    assert scraped.get("session_ends_total", reason="closed", was_up="yes") == 3
    assert scraped.get("session_ends_total", reason="deadline", was_up="no") == 1


def test_what_concerns_the_agent(scraped: Scraped) -> None:
    scraped.write(
        events.Lost(time_ns=1, sink=events.RING_BUFFER, count=5),
        events.Lost(time_ns=1, sink="prometheus", count=7),
        events.Unattended(time_ns=1, released=2, refused=3, since_ns=0),
        events.Reloaded(time_ns=1, what="rules", ok=False, detail="x"),
        events.Bypass(time_ns=1, on=True, seconds=0, detail=""),
        events.KeyLimit(time_ns=1, flow=None, sent=False, records=1, bytes=1, closed=True),
    )
    assert scraped.get("events_lost_total", where="kernel") == 5
    assert scraped.get("events_lost_total", where="sink") == 7
    assert scraped.get("connections_unattended_total", outcome="released") == 2
    assert scraped.get("connections_unattended_total", outcome="refused") == 3
    assert scraped.get("reloads_total", ok="no") == 1
    assert scraped.get("key_limits_total", direction="received", closed="yes") == 1
    assert scraped.get("bypass_active") == 1
    scraped.write(events.Bypass(time_ns=1, on=False, seconds=0, detail=""))
    assert scraped.get("bypass_active") == 0
