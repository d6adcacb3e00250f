/* The protocols that stop and remove against those that start and keep, one worker and one user, for Spin.

   Everything that can happen between two steps does happen. A step is one call of AWS or of the hub, or one stretch of
   the hub's event loop, and names the function that it stands for. `test_protocol.py` has Spin search every interleaving.
   By hand:

       spin -a protocol.pml && gcc -O2 -DSAFETY -DCOLLAPSE -o pan pan.c && ./pan -m1000000
       spin -a -DPATIENCE protocol.pml && gcc -O2 -DCOLLAPSE -DNFAIR=4 -o pan pan.c && ./pan -m1000000 -a -f
       spin -t -p protocol.pml          # the steps to an error, with the -D of `spin -a`

   Shown is, wherever StopInstances lands on an instance that runs:
     - no user was let through after the claim; if the hub was down, after the connection was refused;
     - if the hub released the server, no user was let through since the time that the decision looks back to;
     - no activity was recorded between the reading of the record and the claim;
     - no user was told that the machine is kept, and is yet, if no person wanted the stop; and if the hub released the
       server, no request to keep it was pending that has seen no claim;
   wherever TerminateInstances lands, that the instance is stopped, or at least that no login has started it, that no user
   is on it, and that it does not answer; and that a new instance is launched only when the former one is gone;
   that no claim is taken from a holder that lives, so that of two which decide at the same time one stops; that no login
   is let through to a machine that is being stopped; and (PATIENCE) that every login ends, if for its sake
no writer decides more than once.

   Who decides: alarm and sweep; REQUESTS adds stops that a person or a login asks for; FORCE those by force; REMOVE
   the removal of a stopped machine, at any time that it is stopped; KEEP adds a user who wants it kept; NO_ALARM and NO_SWEEP leave out what they name.

   Each guard has a name, and is gone if that is defined (-D). Spin then finds how a user is hurt:
     DRAIN_FIRST      the hub is asked before the claim is written
     READ_FIRST       the hub reads the record before it marks the login pending
     READ_STALE       the hub reads the record as it was before the claim
     CLAIM_ANYHOW     the claim is written whatever the record's version
     SHORT_LEASE      a lease may end while its holder still works
     TRUST_EC2        a login believes EC2 that the machine runs, just after a stop of it was accepted
     EVENT_UNCLAIMS   the news that the machine runs ends a claim
     NEVER_WITHDRAWN  (REQUESTS) a login that asked for a stop of its machine uses it, if it answers in the end
     FORCE_UNCLAIMED  (FORCE) a stop by force looks at EC2, but claims nothing
     REMOVE_UNASKED   (REMOVE) the hub is not asked
     REMOVE_UNCLAIMED (REMOVE) the record is not claimed
     REMOVE_UNSEEN    (REMOVE) EC2 is not asked whether it is stopped
     LAUNCH_BLINDLY   (REMOVE) a login launches an instance without looking for one by its tags
     KEEP_UNMARKED    (KEEP) a request to keep the machine is not marked as pending in the hub
     KEEP_ANYHOW      (KEEP) a keep is written whatever the record's version
     KEEP_UNREAD      (KEEP) a keep is confirmed once it was sent
     WITHOUT_END         (PATIENCE) a lease never ends
   Assumed is, and a user is hurt where it does not hold:
     HUB_SEEMS_DOWN   a connection to the hub's address is refused only if the hub does not run
     UNREPORTED       with the hub down, a login of the last minutes before is not known, as it is not reported yet
     QUICK_BOOT       no machine is started, and answers, while a stop goes from the hub's answer to EC2: an event may end
                      a claim meanwhile
     LATE_EVENT       an event comes before the instance is in its next state, or never

   Time is left out: what it orders is a condition. A lease ends only when its holder is gone and its StopInstances has
   arrived; EC2's descriptions lag by less than a lease, STOP_SHOWS or a boot. `pending` is a part of running. In place of
   versions, each writer remembers whether what it has read is what is there still. */

#define ALARM 0
#define SWEEP 1
#define PERSON 2
#define FORCER 3
#define REMOVER 4
#define KEEPER 5
#define WRITERS 6
#define UNCLAIMED 6

mtype = { running, stopping, stopped, gone, unasked };

/* EC2 */
mtype ec2 = running;      /* what the instance does */
mtype shown = running;    /* what DescribeInstances returns */
bit answers = 1;          /* its server does: some time after a start, and for some seconds after a stop */
#ifdef LATE_EVENT
bit late;                 /* the event of a former stop is under way */
#endif
bit untold;               /* the event of what it does now is under way */

/* The record: worker.Worker */
mtype state = running;
byte claim = UNCLAIMED;      /* claimed_until, and who set it */
bit lease_over;
bit news;                 /* some state was reported during the claim */
bit stop_may_show;        /* within STOP_SHOWS of the stop that it reports */
bit lived;                /* last_activity is within the idle timeout; the worker tells the same */
bit kept;                 /* keep_until is yet to come */
bit keep_answered;        /* keep_request is the id of the request that is pending */
bit unchanged[WRITERS];   /* the version that this one has read is there still */
#ifdef READ_STALE
bit replicating;          /* a replica has not got the claim yet */
#endif

/* The functions */
bit holds[WRITERS];       /* has claimed, and may yet stop */
bit let_through[WRITERS]; /* a user was, since the claim */
bit ignored[WRITERS];     /* activity was recorded before the claim, and after the record was read */
bit hub_released[WRITERS];

/* The hub */
bit hub_up = 1;
bit pending;              /* a login is under way: JupyterHub's mark */
bit login_lost;           /* the hub ended with a login in it */
bit server;               /* JupyterHub has the user's server, and the proxy its route; both outlive the hub's process */
bit started_since;        /* it was started since the time that a decision by evidence looks back to */
bit started_since_request;
bit server_newer;         /* spawner.alive_at: what the record tells is older than it */
bit brings_up;            /* the login has started or launched the instance */
bit given_up;             /* the login has asked for a stop of its own machine */
mtype looked = unasked;   /* what EC2 told the login, used within seconds */
bit keeping;              /* a request to keep the machine is pending: spawner.keep */
bit drain_refused;        /* because of it: has_refused */
bit keep_lost;            /* the hub ended with one in it */
bit keep_void;            /* the machine was started since: keep.is_void */
bit keep_promised;        /* it has seen no claim, or one that is given up for it */
bit keep_confirmed;       /* the user was told that the machine is kept */
bit stop_requested;       /* an event `Stop Requested` is under way */

#ifdef PATIENCE
bit decided[WRITERS];     /* since the login began; the next sweep is minutes away */
bit hub_ended;
#define MAY_DECIDE(d) (!decided[d])
#else
#define MAY_DECIDE(d) true
#endif

#define CLAIMED (state == stopping && claim != UNCLAIMED && !lease_over)
#define ABANDONED (state == stopping && claim != UNCLAIMED && lease_over)
#define MAY_STOP (state == running || (ABANDONED && claim != REMOVER))    /* triggers.settle */
#define ACCEPTED (state == stopping && claim == UNCLAIMED)
#define STAYS (lived || kept)    /* decision.decide */
#define NONE_HOLDS (!holds[ALARM] && !holds[SWEEP] && !holds[PERSON] && !holds[FORCER] && !holds[REMOVER])

#ifdef QUICK_BOOT
#define BOOTED true
#else
#define BOOTED NONE_HOLDS
#endif

inline written() {
	unchanged[ALARM] = 0; unchanged[SWEEP] = 0; unchanged[PERSON] = 0; unchanged[FORCER] = 0; unchanged[REMOVER] = 0;
	unchanged[KEEPER] = 0
}

inline unclaimed(new_state) {
	state = new_state; claim = UNCLAIMED; lease_over = 0; news = 0; written()
}

/* transitions.with_state: a claim outlives the news that the instance runs. */
inline with_state(told) {
	if
#ifndef EVENT_UNCLAIMS
	:: CLAIMED && (told == running || (claim == REMOVER && told != gone)) -> news = (claim == REMOVER); written()
	:: !CLAIMED || (told != running && (claim != REMOVER || told == gone)) ->
		lived = lived | ((state == stopped || state == gone) && told == running);   /* a start counts as life */
		unclaimed(told)
#else
	:: unclaimed(told)
#endif
	fi;
#ifdef LATE_EVENT
	late = 0;
#endif
	stop_may_show = (told == stopping);
	server_newer = 0
}

/* transitions.with_claim, store.put: on condition of the version that was read. */
inline put_claim(d) {
	assert(claim == UNCLAIMED || !holds[claim]);
	state = stopping; claim = d; lease_over = 0; stop_may_show = 0; news = 0;
	holds[d] = 1; let_through[d] = 0; ignored[d] = (d <= SWEEP && STAYS);
#ifdef READ_STALE
	replicating = 1;
#endif
	written()
}

/* StopInstances, as EC2 carries it out. */
inline land(d) {
	if
	:: ec2 == running ->
		assert(!let_through[d]);
		assert(!ignored[d]);
		assert(!hub_released[d] || d == PERSON || !started_since);
		assert(d > SWEEP || !keep_confirmed);
		assert(d > SWEEP || !hub_released[d] || !keep_promised);
		assert(!hub_released[d] || d != PERSON || !started_since_request);
		ec2 = stopping; untold = 1
	:: else
	fi;
	holds[d] = 0
}

/* stopping._accepted: unless an event was faster. */
inline accept(d) {
	if
	:: claim == d ->
		unclaimed(stopping); stop_may_show = 1; server_newer = 0
#ifdef LATE_EVENT
		; late = 0
#endif
	:: else
	fi
}

/* stopping._release */
inline release(d) {
	holds[d] = 0;
	if
	:: claim == d -> unclaimed(running)
	:: else
	fi
}

inline over(d) {
	holds[d] = 0; let_through[d] = 0; ignored[d] = 0; hub_released[d] = 0; unchanged[d] = 0
}

/* The idle alarm; the sweep, and reconcile where the hub has no server; the request of a person, or of a login. A
   function may end before any of its steps, without a word. */
proctype decider(byte d)
{
idle:
	/* triggers.idle_alarm, sweep, stop_requested; settle: store.get; then metrics.evidence and decisions.decide, which
	   know of no less than the record. A request that finds the record claimed comes again. */
	atomic {
		MAY_DECIDE(d) && (MAY_STOP || (d == PERSON && ACCEPTED)) && (d != PERSON || stop_requested);
		if
		:: d == PERSON -> stop_requested = 0
		:: else
		fi;
#ifdef PATIENCE
		decided[d] = 1;
#endif
		if
		:: !MAY_STOP -> goto idle
		:: MAY_STOP && d <= SWEEP && STAYS -> /* records.keep */
			if
			:: ABANDONED -> unclaimed(running)
			:: else
			fi;
			goto idle
		:: MAY_STOP && (d == PERSON || !STAYS) -> unchanged[d] = 1
		fi
	}
#ifdef DRAIN_FIRST
	goto drain;
#endif
claiming:
	/* stopping.stop: store.put(with_claim). RecordConflict: settle reads and decides again */
	atomic {
		if
#ifdef CLAIM_ANYHOW
		:: put_claim(d)
#else
		:: unchanged[d] -> put_claim(d)
		:: !unchanged[d] && d == PERSON -> stop_requested = 1; over(d); goto idle
		:: !unchanged[d] && d != PERSON -> over(d); goto idle
#endif
		:: over(d); goto idle
		fi
	}
#ifdef DRAIN_FIRST
	goto stop;
#endif
drain:
	/* hub_client.drain; draining._drain: from its verdict to its mark nothing else runs in the hub's event loop */
	atomic {
		if
#ifdef HUB_SEEMS_DOWN
		:: true ->
#else
		:: !hub_up ->
#endif
			/* HubUnreachable: the reports decide, if they cover the whole time (`decision.alone`) */
			if
			:: release(d); over(d); goto idle
#ifdef UNREPORTED
			:: true
#else
			:: let_through[d] = 0
#endif
			fi
		:: hub_up && pending && !given_up -> release(d); over(d); goto idle
		:: hub_up && pending && given_up ->
			/* by a person's request, or where the worker tells nothing: released regardless, as the login waits for it */
			if
			:: hub_released[d] = 1
			:: release(d); over(d); goto idle
			fi
		:: hub_up && !pending && server && (d == PERSON -> started_since_request : started_since) ->
			release(d); over(d); goto idle
		:: hub_up && !pending && d != PERSON && lived -> release(d); over(d); goto idle
		:: hub_up && !pending && d != PERSON && keeping -> drain_refused = 1; release(d); over(d); goto idle
		/* also with a user on it, if the worker does not tell (`Insist`), or a person wants it stopped */
		:: hub_up && !pending && (d == PERSON || !keeping) && !(server && (d == PERSON -> started_since_request : started_since)) ->
			server = 0; server_newer = 0; started_since = 0; started_since_request = 0; hub_released[d] = 1
		:: over(d); goto idle
		fi
	}
#ifdef DRAIN_FIRST
	goto claiming;
#endif
stop:
	/* The hub's answer arrives, or is odd; stopping._stop_drained: cloud.stop. A request whose answer is lost
	   (`stop-unknown`) may land as late as any: the same as one that lands, and a function that ends. */
	atomic {
		if
		:: land(d)
		:: release(d); over(d); goto idle            /* HubAnswerOdd, StopRejected */
		:: over(d); goto idle
		fi
	}
	/* records.change(_accepted) */
	atomic {
		if
		:: accept(d)
		:: true
		fi;
		over(d); goto idle
	}
}

/* EC2: what was told to stop stops, and DescribeInstances catches up. */
proctype instance()
{
	do
	:: atomic { ec2 == stopping -> ec2 = stopped; untold = 1; answers = 0 }
	:: atomic { shown != ec2 -> shown = ec2; answers = answers & (ec2 == running) }
	:: atomic { ec2 == running && !answers && shown == running && BOOTED -> answers = 1 }
	od
}

/* app.record_state: events come late or never; is_news lets none through that is older than what the record tells. */
proctype record_state()
{
	do
	:: atomic { untold ->
		untold = 0;
		if
		:: with_state(ec2)
		:: true
		fi }
#ifdef LATE_EVENT
	:: atomic { late -> with_state(stopped) }      /* of the run before, not superseded by other news */
#endif
	od
}

/* service/reconciling.reconcile: what no event told, and by force what does not come to its end. */
proctype reconcile()
{
idle:
	atomic {
		if
		/* reconciliation.Missed, recording.apply_state; nothing within SETTLES_IN, or while it is claimed */
		:: shown == ec2 && !CLAIMED && !stop_may_show && shown != state && !(ABANDONED && claim != REMOVER && shown == running) ->
			with_state(shown); untold = 0;
			goto idle
#ifdef FORCE
		:: shown == stopping && ACCEPTED && MAY_DECIDE(FORCER) ->
			unchanged[FORCER] = 1;
#ifdef PATIENCE
			decided[FORCER] = 1
#endif
#endif
		fi
	}
	/* stopping.force: claims, looks, stops */
	atomic {
		if
#ifdef FORCE_UNCLAIMED
		:: holds[FORCER] = 1; let_through[FORCER] = 0
#else
		:: unchanged[FORCER] -> put_claim(FORCER)
		:: !unchanged[FORCER] -> over(FORCER); goto idle
#endif
		fi
	}
	atomic {
		if
		:: shown == stopping
		:: shown != stopping -> goto unclaim
		:: over(FORCER); goto idle
		fi
	}
	atomic {
		if
		:: land(FORCER)
		:: goto unclaim                         /* CloudError */
		:: over(FORCER); goto idle
		fi
	}
	atomic { accept(FORCER); over(FORCER); goto idle }
unclaim:
	/* stopping._unclaim: as it was before */
	atomic {
		if
		:: claim == FORCER -> unclaimed(stopping)
		:: else
		fi;
		over(FORCER); goto idle
	}
}

#ifdef REMOVE
/* removal.remove: a machine that has been stopped for long. A function may end before any of its steps. */
proctype remover()
{
idle:
	/* store.get, removal.is_due; and _obstacle, which is left out here: it counts under the claim alone */
	atomic {
		MAY_DECIDE(REMOVER) && state == stopped;
#ifdef PATIENCE
		decided[REMOVER] = 1;
#endif
		unchanged[REMOVER] = 1
	}
	/* store.put(with_removal) */
	atomic {
		if
#ifdef REMOVE_UNCLAIMED
		:: holds[REMOVER] = 1; let_through[REMOVER] = 0
#else
		:: unchanged[REMOVER] -> put_claim(REMOVER)
		:: !unchanged[REMOVER] -> over(REMOVER); goto idle
#endif
		:: over(REMOVER); goto idle
		fi
	}
#ifndef REMOVE_UNASKED
	/* _is_refused_by_hub: a login is under way, the server was started since the stop, or there is no answer */
	atomic {
		if
		:: !hub_up || pending || (server && server_newer) -> goto unclaim
		:: hub_up && !pending && !(server && server_newer) -> server = 0; started_since = 0
		:: over(REMOVER); goto idle
		fi
	}
#endif
#ifndef REMOVE_UNSEEN
	/* _obstacle: what EC2 shows */
	atomic {
		if
		:: shown == stopped
		:: shown != stopped -> goto unclaim
		:: over(REMOVER); goto idle
		fi
	}
#endif
	/* cloud.terminate. A request whose answer is lost may land as late as any, and the function ends then. */
	atomic {
		if
		:: ec2 != gone ->
			assert(ec2 != running || (!answers && !brings_up && !let_through[REMOVER]));
			ec2 = gone; untold = 1; answers = 0; holds[REMOVER] = 0
		:: goto unclaim                         /* TerminationRejected */
		:: over(REMOVER); goto idle
		fi
	}
	/* records.change(with_removed) */
	atomic {
		if
		:: claim == REMOVER -> unclaimed(gone)
		:: true
		fi;
		over(REMOVER); goto idle
	}
unclaim:
	/* _release: with_removal_released */
	atomic {
		if
		:: claim == REMOVER && news -> lease_over = 1; written()
		:: claim == REMOVER && !news -> unclaimed(stopped)
		:: claim != REMOVER
		fi;
		over(REMOVER); goto idle
	}
}
#endif

#ifdef KEEP
inline keep_over() {
	keep_lost = 0; keep_void = 0; keeping = 0; keep_promised = 0; drain_refused = 0; keep_answered = 0
}

/* The user's request: hub.keep.asking. Without the hub's process it is over; so it is when the user has waited enough. */
proctype keep()
{
idle:
	/* asking.marked */
	atomic {
		hub_up && server && !kept -> keep_lost = 0; keep_void = 0;
#ifndef KEEP_UNMARKED
		keeping = 1
#endif
	}
	/* answer.first_answer: by the record, read after the mark */
first:
	atomic {
		if
		:: keep_lost || !hub_up || !server || (state != running && !(CLAIMED && drain_refused)) -> keep_over(); goto idle
		:: !keep_lost && hub_up && server && state == running -> keep_promised = 1
		:: !keep_lost && hub_up && server && CLAIMED && drain_refused -> keep_promised = 1
		:: keep_over(); goto idle
		fi
	}
#ifdef KEEP_UNREAD
	atomic { keep_confirmed = 1; keep_over(); goto idle }
#endif
	/* answer.later_answer */
	atomic {
		if
		:: keep_lost || !hub_up -> keep_over()
		:: !keep_lost && hub_up && keep_answered -> keep_confirmed = kept; keep_over()
		:: hub_up && !keep_answered && (!server || ACCEPTED || state == stopped) -> keep_over()
		:: keep_over()
		fi;
		goto idle
	}
}

/* keeps.keep_requested: the event may come again and again, and as late as any; then it is void, or keeps a machine that
   no user waits for. */
proctype keep_requested()
{
	do
	:: atomic { keep_promised && !keep_answered && !keep_void && state == running -> unchanged[KEEPER] = 1 }
	   /* store.put: on condition of the version that was read. RecordConflict: read again */
	   atomic {
		if
#ifdef KEEP_ANYHOW
		:: kept = 1; keep_answered = keep_promised; written()
#else
		:: unchanged[KEEPER] -> kept = 1; keep_answered = keep_promised; written()
		:: !unchanged[KEEPER]
#endif
		fi
	   }
	od
}
#endif

/* What only time ends. */
proctype lease()
{
	do
#ifdef SHORT_LEASE
	:: atomic { CLAIMED -> lease_over = 1 }
#else
#ifndef WITHOUT_END
	:: atomic { CLAIMED && !holds[claim] && shown == ec2 -> lease_over = 1; looked = unasked }  /* transitions.LEASE */
#endif
#endif
	:: atomic { stop_may_show && shown == ec2 -> stop_may_show = 0; looked = unasked }      /* planning.STOP_SHOWS */
#ifdef READ_STALE
	:: atomic { replicating -> replicating = 0 }
#endif
	od
}

/* The user: at work, over the proxy's route, which stays while the hub is down; and an hour later. */
proctype user()
{
	do
	/* activity.record_activity: store.put of the worker's reports, on condition of the version */
	:: atomic { server && ec2 == running && answers && !lived && state == running -> lived = 1; written() }
	:: atomic { NONE_HOLDS && !keeping && !keep_promised && (STAYS || started_since) ->
		lived = 0; started_since = 0; kept = 0; keep_confirmed = 0 }
#ifdef REQUESTS
	:: atomic { hub_up && server && !stop_requested && MAY_DECIDE(PERSON) ->
		server = 0; server_newer = 0; stop_requested = 1; started_since_request = 0; started_since = 0;
		let_through[ALARM] = 0; let_through[SWEEP] = 0; let_through[PERSON] = 0; let_through[FORCER] = 0;
		let_through[REMOVER] = 0 }
#endif
	od
}

/* The hub ends, and begins again. Servers outlive that, logins do not. */
proctype hub()
{
	do
	:: atomic { hub_up ->
#ifdef PATIENCE
		!hub_ended -> hub_ended = 1;
#endif
		hub_up = 0; login_lost = login_lost | pending; pending = 0; given_up = 0; brings_up = 0;
#ifdef KEEP
		keep_lost = 1; keeping = 0; keep_promised = 0; drain_refused = 0;
#endif
	}
	:: atomic { !hub_up -> hub_up = 1 }
	/* spawner.poll: the server is gone, by the record */
	:: atomic { hub_up && server && !server_newer && (ACCEPTED || state == stopped || state == gone) -> server = 0; started_since = 0 }
	od
}

inline login_over() {
	login_lost = 0; pending = 0; given_up = 0; brings_up = 0; looked = unasked; silent_once = 0; must_read = 0
}

/* A login: JupyterHub's spawn, spawner.start, startup.bring_up. */
proctype login()
{
	bit silent_once, must_read;
idle:
#ifdef READ_FIRST
	atomic { hub_up && !server && state == running }
#endif
	/* JupyterHub marks the spawn pending, and calls start */
	atomic {
		hub_up && !server -> pending = 1;
#ifdef PATIENCE
		decided[ALARM] = 0; decided[SWEEP] = 0; decided[PERSON] = 0; decided[FORCER] = 0; decided[REMOVER] = 0
#endif
	}
#ifdef READ_FIRST
	goto watch;
#endif
again:
	/* startup._record: store.get, a consistent read; planning.next_step and step_after_look */
	atomic {
		if
		:: login_lost -> login_over(); goto idle
#ifdef READ_STALE
		:: !login_lost && replicating -> goto watch
#endif
		:: !login_lost && CLAIMED -> looked = unasked; goto again
		:: !login_lost && looked == unasked && state == running -> goto watch
		:: !login_lost && looked == unasked && state == stopped -> goto start
		:: !login_lost && looked == unasked && state == gone -> goto launch
		:: !login_lost && looked == gone && !CLAIMED -> looked = unasked; goto launch
		:: !login_lost && looked == unasked && ABANDONED -> goto look
		:: !login_lost && looked == unasked && ACCEPTED -> goto look           /* every fifteenth time */
		:: !login_lost && looked == stopping && !CLAIMED -> looked = unasked; goto again
		:: !login_lost && looked == stopped && !CLAIMED -> looked = unasked; goto start
#ifdef TRUST_EC2
		:: !login_lost && looked == running && !CLAIMED -> looked = unasked; goto watch
#else
		:: !login_lost && looked == running && !CLAIMED && !(ACCEPTED && stop_may_show) -> looked = unasked; goto watch
		:: !login_lost && looked == running && ACCEPTED && stop_may_show -> looked = unasked; goto again
#endif
		fi
	}
look:
	atomic { looked = shown; goto again }
start:
	/* starting.Starter.start: StartInstances. NotStartable: looks */
	atomic {
		if
		:: login_lost -> login_over(); goto idle
		:: !login_lost && (ec2 == stopping || ec2 == gone) -> goto look
		:: !login_lost && ec2 == stopped ->
#ifdef LATE_EVENT
			late = untold;
#endif
			ec2 = running; untold = 1; stop_requested = 0; given_up = 0; brings_up = 1; keep_void = keep_promised
		:: !login_lost && ec2 == running -> given_up = 0; brings_up = 1
		fi
	}
	goto watch;
launch:
	/* protocol._find_or_launch: by its tags EC2 may still show it; else RunInstances, whose client token makes one of two */
	atomic {
		if
		:: login_lost -> login_over(); goto idle
#ifndef LAUNCH_BLINDLY
		:: !login_lost && shown == stopped -> goto start
		:: !login_lost && shown == stopping -> goto look
		:: !login_lost && shown == running -> goto watch
		:: !login_lost && shown == gone ->
#else
		:: !login_lost ->
#endif
			assert(ec2 == gone);
			ec2 = running; shown = running; untold = 1; stop_requested = 0; given_up = 0; brings_up = 1;
			keep_void = keep_promised
		fi
	}
watch:
	/* spawner._watch: the server answers; or EC2 shows that the machine does not run; or it is given up */
	atomic {
		if
		:: login_lost -> login_over(); goto idle
		:: !login_lost && answers
		:: !login_lost && shown != running -> goto look
#ifdef REQUESTS
		:: !login_lost && !silent_once && shown == ec2 -> /* spawner._give_up */
			silent_once = 1; must_read = 1; given_up = 1; stop_requested = 1; started_since_request = 0; goto again
		:: !login_lost && silent_once && shown == ec2 -> login_over(); goto idle
#endif
		fi
	}
	/* spawner._start: a machine whose stop was asked for is used only if that was withdrawn before the record was read */
	atomic {
		if
		:: login_lost -> login_over(); goto idle
#ifndef NEVER_WITHDRAWN
		:: !login_lost && must_read -> given_up = 0; must_read = 0; goto again
		:: !login_lost && !must_read
#else
		:: !login_lost
#endif
		fi;
		assert(ec2 == running);
		server = 1; server_newer = 1; started_since = 1; started_since_request = (stop_requested || holds[PERSON]);
		let_through[ALARM] = holds[ALARM]; let_through[SWEEP] = holds[SWEEP];
		let_through[PERSON] = holds[PERSON]; let_through[FORCER] = holds[FORCER];
		let_through[REMOVER] = holds[REMOVER];
		login_over(); goto idle
	}
}

init {
	atomic {
		if
		:: server = 1
		:: true
		fi;
#ifndef NO_ALARM
		run decider(ALARM);
#endif
#ifdef REQUESTS
		run decider(PERSON);
#endif
#ifndef NO_SWEEP
		run decider(SWEEP);
#endif
#ifdef REMOVE
		run remover();
#endif
#ifdef KEEP
		run keep(); run keep_requested();
#endif
		run reconcile();
		run instance(); run record_state(); run lease(); run user(); run hub(); run login()
	}
}

#ifdef PATIENCE
ltl served { [] (pending -> <> !pending) }
#endif
