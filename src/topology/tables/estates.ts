// What agents that are gone leave in shared tables.  Their kernels forward on, so what their ports'
// packets need (neighbours, MACs) has to last as long as those ports are active; and an agent that
// follows another on its host takes over what that one wrote, or it would all go in one moment,
// half a minute later, when the store has noticed that the session is dead.
//
//   row said by a session ─ its agent is away, the store removes it ─► kept ─ GRACE ─► gone
//                         └ it was our predecessor's: written again, as ours
// port-activity.test.ts holds it.

import type { Clock, Timer } from '../../core/clock.ts'

/** An agent that dies takes its word with it, but its kernel forwards on: so long it stands. */
export const GRACE_MS = 30_000
// Where the kernel is known to answer, it stands longer; not for ever, for nobody sees its links.
const KERNEL_GRACE_MS = 600_000
const PACE_MS = 20
const PACE_ROWS = 64
const SESSIONS_MAX = 4096

interface Left {
  readonly host: string
  readonly since: number
  readonly go: () => void
}

/** What sessions leave behind, until it is known who takes it over. */
export class Estates {
  readonly #host: string
  readonly #session: string
  readonly #clock: Clock
  readonly #hosts = new Map<string, string>() // by session
  readonly #away = new Set<string>() // hosts whose kernels forward for agents that are gone
  #left: Left[] = []
  #inherited: (() => void)[] = []
  #timer: Timer | null = null
  #pace: Timer | null = null
  #isClosed = false

  constructor(host: string, session: string, clock: Clock) {
    this.#host = host
    this.#session = session
    this.#clock = clock
  }

  /** The agent of a host is gone, and its kernel goes on; or that is over. */
  agentAway(host: string, isAway: boolean): void {
    if (isAway) this.#away.add(host)
    else this.#away.delete(host)
  }

  /** Whether the host's agent is gone and its kernel forwards on. */
  isAway(host: string): boolean {
    return this.#away.has(host)
  }

  /** A session speaks for a host.  True: it is news, and it spoke for ours before we did. */
  speaks(session: string, host: string): boolean {
    if (this.#hosts.get(session) === host) return false
    if (this.#hosts.size >= SESSIONS_MAX) this.#hosts.clear()
    this.#hosts.set(session, host)
    return this.isPredecessor(session)
  }

  /** Whether it is an earlier session of this host. */
  isPredecessor(session: string): boolean {
    return session !== this.#session && this.#hosts.get(session) === this.#host
  }

  /** The row of a session was removed.  True: it stands for now, until `go` is called. */
  keeps(session: string, go: () => void): boolean {
    const host = this.#hosts.get(session)
    if (host === undefined || !this.#away.has(host) || this.#isClosed) return false
    this.lasts(host, go)
    return true
  }

  /** Calls when the word of a host's last agent does not stand any longer. */
  lasts(host: string, go: () => void): void {
    this.#left.push({ host, since: this.#clock.now(), go })
    this.#timer ??= this.#clock.after(GRACE_MS, () => this.#look())
  }

  /** Calls soon, a few at a time. */
  inherit(take: () => void): void {
    if (this.#isClosed) return
    this.#inherited.push(take)
    this.#pace ??= this.#clock.after(PACE_MS, () => this.#takeSome())
  }

  /** Takes over nothing more. */
  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
    this.#pace?.cancel()
    this.#left = []
    this.#inherited = []
  }

  #look(): void {
    const now = this.#clock.now()
    this.#timer = null
    const isOver = ({ host, since }: Left): boolean =>
      now - since >= (this.#away.has(host) ? KERNEL_GRACE_MS : GRACE_MS)
    const over = this.#left.filter(isOver)
    this.#left = this.#left.filter(each => !isOver(each))
    for (const { go } of over) go()
    const first = this.#left[0]
    if (first === undefined || this.#isClosed) return
    const nextMs = Math.max(GRACE_MS / 30, first.since + GRACE_MS - now)
    this.#timer ??= this.#clock.after(nextMs, () => this.#look())
  }

  #takeSome(): void {
    this.#pace = null
    for (const take of this.#inherited.splice(0, PACE_ROWS)) take()
    if (this.#inherited.length === 0 || this.#isClosed) return
    this.#pace = this.#clock.after(PACE_MS, () => this.#takeSome())
  }
}
