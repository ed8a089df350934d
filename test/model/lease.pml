/*
 * Leases, seats, and what is said under them, on ZooKeeper: src/topology/sqlite/leases.ts (epochs),
 * src/topology/zookeeper/changes (log, claims), src/topology/zookeeper/tables (what is said).
 * `npm run model` looks at all states of it.  test/model/lease.test.ts does too, and shows that each
 * fence is needed by leaving it out: NO_GATE, NO_EPOCHS, NO_BEATS, NO_SESSIONS, NO_JUDGE.
 *
 * Assumed:
 *  - A step of the log is atomic, and all see the steps in one order (ZooKeeper's numbers; a change
 *    that was made with less than all known loses, and is tried again on what is true then).
 *  - A server takes nothing more by a session that it has ended, and the requests of one session in
 *    their order.  A session may be ended at any time: whoever is stopped, cut off or slow is an
 *    owner that takes no step here.  One whose request was refused hears of it.
 *  - Who judges reads the beat of a session before it looks whether the owner's node is there.
 *  - An owner that finds a lease lost stops acting under it.  Acts that no server sees (packets that
 *    are on their way) are no part of this.
 *  - Bounds: OWNERS, EPOCHS grants, ENDS of sessions, one crash; an owner has one act on its way.
 * Left out: that blocks of ports linger, which only frees them later.
 */
#ifndef OWNERS
#define OWNERS 3
#endif
#ifndef EPOCHS
#define EPOCHS 3
#endif
#ifndef ENDS
#define ENDS 3
#endif
#define NOBODY OWNERS

bool session[OWNERS + 1]; /* the servers have one that the owner uses */
bool node[OWNERS + 1];    /* its node below /alive */
bool claimed[OWNERS];     /* in this session, as the owner knows */
byte held[OWNERS];        /* the epoch of its lease, as the owner knows; 0: none */
byte sent[OWNERS];        /* the epoch of the act that is on its way; 0: none is */
bool late[OWNERS];        /* it was sent by a session that has ended */

/* The log. */
byte holder = NOBODY;
byte epoch;
byte beat[OWNERS];

byte newest;              /* epoch of an act that was taken */
byte actor[EPOCHS + 1];   /* who acted under an epoch, + 1; 0: nobody */
byte ends;
byte crashes;

/* Its session ends, on the servers. */
inline ended(i) {
  session[i] = false;
  node[i] = false;
#ifndef NO_SESSIONS
  late[i] = (sent[i] != 0)
#endif
}

/* What it had is its own again, unless another has had it meanwhile. */
inline claim(i) {
#ifndef NO_BEATS
  beat[i]++;
#endif
  if
  :: held[i] != 0 && holder == i && epoch == held[i]
#ifdef NO_EPOCHS
  :: held[i] != 0 && holder == NOBODY -> holder = i
#else
  :: held[i] != 0 && holder == NOBODY && epoch == held[i] -> holder = i
#endif
  :: else -> held[i] = 0
  fi;
  claimed[i] = true
}

/* A server has its act before it. */
inline taken(i) {
  if
  :: late[i] && !session[i] -> claimed[i] = false /* it hears of it, and connects again */
  :: late[i] && session[i]
  :: else ->
    assert(sent[i] >= newest);                           /* nobody acts late */
    assert(actor[sent[i]] == 0 || actor[sent[i]] == i + 1); /* an epoch has one owner */
    assert(holder == i && epoch == sent[i]);             /* who acts is the owner */
    newest = sent[i];
    actor[sent[i]] = i + 1
  fi;
  sent[i] = 0;
  late[i] = false
}

proctype owner(byte i) {
  do
  :: atomic { !session[i] ->
      session[i] = true;
#ifdef NO_GATE
      claimed[i] = (held[i] != 0) /* it goes on as before */
#else
      claimed[i] = false
#endif
    }
  :: atomic { session[i] && !node[i] -> node[i] = true }
  :: atomic { session[i] && node[i] && !claimed[i] -> claim(i) }
  :: atomic { session[i] && claimed[i] && held[i] == 0 && holder == NOBODY && epoch < EPOCHS ->
      epoch++;
      holder = i;
      held[i] = epoch
    }
  :: atomic { session[i] && claimed[i] && held[i] != 0 && sent[i] == 0 ->
      if
      :: holder == i && epoch == held[i] -> holder = NOBODY /* given back */
      :: else /* too late: it frees nothing */
      fi;
      held[i] = 0
    }
  :: atomic { claimed[i] && held[i] != 0 && sent[i] == 0 ->
      sent[i] = held[i];
#ifndef NO_SESSIONS
      late[i] = !session[i] /* it does not know yet */
#endif
    }
  :: atomic { crashes < 1 -> crashes++; ended(i); break }
  od
}

/* The network, and the servers' clocks. */
proctype servers() {
  byte i;
  do
  :: atomic { select(i : 0 .. OWNERS - 1); if :: sent[i] != 0 -> taken(i) :: else fi; i = 0 }
  :: atomic { ends < ENDS -> select(i : 0 .. OWNERS - 1); ends++; ended(i); i = 0 }
  od
}

/* Whoever is the first of those alive: ends what the dead held. */
proctype judge() {
  byte i;
  byte heard;
#ifdef NO_JUDGE
  end: false;
#endif
  do
  :: i = (i + 1) % OWNERS;
    heard = beat[i];
    if
    :: !node[i] ->
      atomic {
        if
        :: holder == i && beat[i] == heard -> holder = NOBODY
        :: else
        fi
      }
    :: else
    fi;
    heard = 0
  od
}

init {
  byte i;
  atomic {
    for (i : 0 .. OWNERS - 1) { run owner(i) }
    run servers();
    run judge()
  }
}

#ifdef LIVE
/* A lease that nobody holds, or one that is gone, is had again, while there are epochs. */
ltl had { [] (((holder == NOBODY || !session[holder]) && epoch < EPOCHS) ->
  <> ((holder != NOBODY && session[holder]) || epoch == EPOCHS)) }
#endif
