// What stands in for FRR and the datapath in tests of the control side: it keeps what it is told,
// outlives the gateway that told it as the real ones do, and says what the test has it say.

import type {
  BfdState,
  BgpEngine,
  RouteUpdate,
  SessionState,
  Speaker,
  SpeakerConfig,
  UplinkPlace,
  WatchedNeighbour
} from './engine/engine.ts'

/** Of one port; it stays when a speaker leaves. */
export class MemorySpeaker {
  place: UplinkPlace
  config: SpeakerConfig | null | undefined
  watched: readonly WatchedNeighbour[] = []
  opened = 0
  applied = 0
  states: Partial<SessionState>[] = []
  /** What is made of a question for its sessions: a daemon may be slow, or not answer. */
  answer: () => Promise<void> = async () => {}
  #listener: (update: RouteUpdate) => void = () => {}
  #bfdListener: (states: readonly BfdState[]) => void = () => {}

  constructor(place: UplinkPlace) {
    this.place = place
  }

  learn(changes: Readonly<Record<string, readonly string[]>>, isComplete = true): void {
    this.#listener({
      changes: Object.entries(changes).map(([prefix, gateways]) => ({
        prefix,
        hops: gateways.map(gateway => ({ gateway, share: 1 }))
      })),
      isComplete
    })
  }

  listen(listener: (update: RouteUpdate) => void): void {
    this.#listener = listener
  }

  listenBfd(listener: (states: readonly BfdState[]) => void): void {
    this.#bfdListener = listener
  }

  /** BFD says so of these neighbours, and nothing of others. */
  bfd(states: Readonly<Record<string, BfdState['state']>>): void {
    const said = Object.entries(states)
    this.#bfdListener(said.map(([address, state]) => ({ address, state, reason: null })))
  }
}

export class MemoryEngine implements BgpEngine {
  readonly status = { version: '8.4.4', reason: null }
  readonly speakers = new Map<string, MemorySpeaker>()
  fault: Error | undefined
  /** Until when nothing is opened. */
  gate: Promise<void> = Promise.resolve()

  async open(place: UplinkPlace): Promise<Speaker> {
    await this.gate
    if (this.fault !== undefined) throw this.fault
    const held = this.speakers.get(place.port) ?? new MemorySpeaker(place)
    this.speakers.set(place.port, held)
    held.place = place
    held.opened++
    return {
      interface: `mzu${place.port.slice(0, 8)}`,
      apply: async (config, watched = []) => {
        if (this.fault !== undefined) throw this.fault
        held.config = config
        held.watched = watched
        held.applied++
      },
      onRoutes: listener => held.listen(listener),
      sessions: async () => {
        await held.answer()
        return (held.config?.peers ?? []).map((peer, i) => stateOf(peer, held, i))
      },
      onBfd: listener => held.listenBfd(listener),
      leave: async () => {
        held.listen(() => {})
        held.listenBfd(() => {})
      },
      close: last => this.remove(place.port, last)
    }
  }

  async places(): Promise<string[]> {
    return [...this.speakers.keys()]
  }

  async remove(port: string, last?: () => Promise<void>): Promise<void> {
    if (this.speakers.has(port)) await last?.()
    this.speakers.delete(port)
  }
}

const stateOf = (
  { address, asn }: SpeakerConfig['peers'][number],
  { states }: MemorySpeaker,
  i: number
): SessionState => ({
  ...{ address, asn, state: 'connect', upSinceMs: null, prefixesReceived: 0, prefixesSent: 0 },
  ...{ flaps: 0, lastError: null, bfd: null },
  ...states[i]
})

export class MemoryPunt {
  readonly rules = new Map<string, object>()
  fault: Error | undefined

  async set(port: string, rules: object): Promise<void> {
    if (this.fault !== undefined) throw this.fault
    this.rules.set(port, rules)
  }

  async clear(port: string): Promise<void> {
    this.rules.delete(port)
  }
}
