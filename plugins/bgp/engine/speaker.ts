// A speaker by FRR: its configuration goes to the daemons by difference, what they learn comes by
// FPM, and the guard is told that the agent is there. test/lab/bgp-engine.test.ts holds it.

import type { Clock, Log, Processes, Timer } from '../../../src/control.ts'
import { BfdWatch } from './bfd/watch.ts'
import type {
  BfdState,
  RouteUpdate,
  SessionState,
  Speaker,
  SpeakerConfig,
  UplinkPlace,
  WatchedNeighbour
} from './engine.ts'
import { LearnedRoutes } from './fpm/learned.ts'
import { FpmListener } from './fpm/listener.ts'
import { AppliedConfig } from './frr/applied.ts'
import { Daemons } from './frr/daemons.ts'
import { beat, GuardFile } from './frr/guard.ts'
import type { Hangs } from './frr/hangs.ts'
import { zebraFile } from './frr/render.ts'
import { sessionsIn } from './frr/sessions.ts'
import { type SignatureCounts, signatureCounts, signatureFault } from './frr/signatures.ts'
import { validateConfig, validateWatched } from './frr/validate.ts'
import type { Installation } from './frr/version.ts'
import { PlaceFiles } from './place/files.ts'
import { makeNamespace, outsideOf, pathOf, shortOf } from './place/namespace.ts'

const FPM_PORT = 2620
const BEAT_MS = 1000
const HANG_LOOKS = 9 // in the time after which a daemon hangs
const ROUNDING_MS = 2000
const TOLD_S = 5

/** What a speaker is made of. */
export interface SpeakerParts {
  readonly installation: Installation
  readonly processes: Processes
  readonly clock: Clock
  readonly log: Log
  /** Where the files of all speakers are. */
  readonly folder: string
  /** Nothing is announced when no agent was there for so long. */
  readonly withdrawAfterMs: number
  /** Which daemons answer nobody. */
  readonly hangs: Hangs
  /** It was let go. */
  readonly onLetGo: () => void
  /** It is to be closed: ends it, and removes what is left. */
  readonly onClose: (last?: () => Promise<void>) => Promise<void>
}

/** Speaks for one uplink port. */
export class FrrSpeaker implements Speaker {
  readonly interface: string
  readonly #parts: SpeakerParts
  readonly #place: UplinkPlace
  readonly #files: PlaceFiles
  readonly #daemons: Daemons
  readonly #applied: AppliedConfig
  readonly #routes = new LearnedRoutes()
  readonly #fpm: FpmListener
  readonly #bfd: BfdWatch
  readonly #faults = new Map<string, string>() // of signatures, by peer
  #signatures: SignatureCounts = {}
  #sessions: readonly SessionState[] = []
  #config: SpeakerConfig | null = null
  #watched: readonly WatchedNeighbour[] = []
  #hasApplied = false
  #timer: Timer | null = null
  #looking: Timer | null = null
  #hasEnded = false
  #isBeating = true
  #isAnnouncing = false
  #work: Promise<unknown> = Promise.resolve() // one change after the other

  constructor(place: UplinkPlace, parts: SpeakerParts) {
    const { clock, folder, hangs, installation, log, processes } = parts
    const short = shortOf(place.port)
    this.interface = outsideOf(short)
    this.#parts = parts
    this.#place = place
    this.#files = new PlaceFiles(folder, short)
    const files = this.#files
    const onStart = (): void => {}
    const netns = pathOf(short)
    const made = { installation, processes, clock, log, hangs, files, netns, short, onStart }
    this.#daemons = new Daemons(made)
    this.#applied = new AppliedConfig({ files, installation, clock, log, daemons: this.#daemons })
    const isSettled = (): Promise<boolean> => this.#isSettled()
    this.#fpm = new FpmListener({ clock, log, routes: this.#routes, isSettled })
    const ask = (): Promise<string> => this.#daemons.ask('bfdd', 'show bfd peers json')
    this.#bfd = new BfdWatch({ clock, log, socket: this.#daemons.bfdControl, ask })
  }

  /** Makes or adopts all of it. */
  async open(): Promise<void> {
    const { installation } = this.#parts
    this.#files.make(installation.gid)
    this.#files.write('port', this.#place.port) // first: what is made by halves is found by it
    await makeNamespace(this.#place, this.#files.folder, this.#parts)
    this.#files.write(GuardFile.limit, `${Math.ceil(this.#parts.withdrawAfterMs / 1000)}\n`)
    beat(this.#files)
    this.#files.give('zebra.conf', zebraFile(FPM_PORT), installation.gid)
    this.#applied.read()
    await this.#fpm.open(pathOf(shortOf(this.#place.port)), FPM_PORT)
    await this.#daemons.start()
    this.#signatures = signatureCounts(this.#daemons.pidOf('bgpd'))
    this.#bfd.open()
    this.#beatLater()
    this.#lookLater()
  }

  async apply(
    config: SpeakerConfig | null,
    watched: readonly WatchedNeighbour[] = []
  ): Promise<void> {
    if (config !== null) validateConfig(config)
    validateWatched(watched, config?.peers ?? [])
    await this.#inTurn(() => this.#applied.apply(config, watched))
    this.#config = config
    this.#watched = watched
    this.#hasApplied = true
    this.#bfd.refresh()
  }

  onRoutes(listener: (update: RouteUpdate) => void): void {
    this.#routes.listen(listener)
  }

  onBfd(listener: (states: readonly BfdState[]) => void): void {
    this.#bfd.listen(listener)
  }

  async sessions(): Promise<readonly SessionState[]> {
    const peers = this.#config?.peers ?? []
    if (peers.length === 0) return []
    const text = await this.#daemons.ask('bgpd', 'show bgp neighbors json')
    const now = signatureCounts(this.#daemons.pidOf('bgpd'))
    const sessions = sessionsIn(text, peers, peer => {
      const fault = signatureFault(peer, this.#signatures, now)
      if (fault !== null) this.#faults.set(peer.address, fault)
      return this.#faults.get(peer.address) ?? null
    })
    this.#signatures = now
    for (const { address, state } of sessions)
      if (state === 'established') this.#faults.delete(address)
    this.#sessions = sessions.map((each, i) => steady(each, this.#sessions[i]))
    return this.#sessions
  }

  async leave(): Promise<void> {
    await this.#letGo()
    await this.#daemons.letGo()
    this.#parts.onLetGo()
  }

  close(last?: () => Promise<void>): Promise<void> {
    return this.#parts.onClose(last)
  }

  /** Ends its programs; files and namespace are left. */
  async end(): Promise<void> {
    await this.#letGo()
    await this.#daemons.stop()
  }

  async #letGo(): Promise<void> {
    this.#hasEnded = true
    this.#timer?.cancel()
    this.#looking?.cancel()
    await this.#work.catch(() => {})
    this.#fpm.close()
    this.#bfd.close()
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#work.catch(() => {}).then(work)
    this.#work = turn
    return turn
  }

  #beatLater(): void {
    if (this.#hasEnded) return
    this.#timer = this.#parts.clock.after(BEAT_MS, () => {
      this.#beat()
      this.#beatLater()
      if (this.#hasApplied && this.#files.has(GuardFile.withdrawn)) void this.#announceAgain()
    })
  }

  #lookLater(): void {
    if (this.#hasEnded) return
    const everyMs = this.#parts.hangs.limitMs / HANG_LOOKS
    this.#looking = this.#parts.clock.after(everyMs, async () => {
      await this.#daemons.look()
      this.#lookLater()
    })
  }

  // A file that cannot be written has the guard withdraw what we announce.
  #beat(): void {
    try {
      beat(this.#files)
      this.#isBeating = true
    } catch (error) {
      const { log } = this.#parts
      if (this.#isBeating) log.warn({ err: error }, 'the guard of BGP is not told that we are here')
      this.#isBeating = false
    }
  }

  // One that fails is tried at the next beat.
  async #announceAgain(): Promise<void> {
    if (this.#isAnnouncing) return
    this.#isAnnouncing = true
    const { log } = this.#parts
    log.warn({ port: this.#place.port }, 'the guard has withdrawn our networks: announced again')
    try {
      await this.#inTurn(() => this.#applied.apply(this.#config, this.#watched))
    } catch (error) {
      log.warn({ err: error }, 'our networks are not announced again')
    }
    this.#isAnnouncing = false
  }

  async #isSettled(): Promise<boolean> {
    return hasTold(await this.#daemons.ask('zebra', 'show zebra client summary'))
  }
}

// bgpd, once connected to zebra, needs a second to resolve next hops and tell its routes.
function hasTold(clients: string): boolean {
  const since = /^bgp\s+(\S+)/m.exec(clients)?.[1]
  const [hours, minutes, seconds] = (since ?? '').split(':').map(Number)
  if (seconds === undefined) return since !== undefined // days: 1d02h03m
  return hours! > 0 || minutes! > 0 || seconds >= TOLD_S
}

// FRR counts whole seconds from now: a session that goes on has begun when it had begun before.
function steady(now: SessionState, before: SessionState | undefined): SessionState {
  if (now.address !== before?.address || now.flaps !== before.flaps) return now
  if (now.upSinceMs === null || before.upSinceMs === null) return now
  const isSame = Math.abs(now.upSinceMs - before.upSinceMs) <= ROUNDING_MS
  return isSame ? { ...now, upSinceMs: before.upSinceMs } : now
}
