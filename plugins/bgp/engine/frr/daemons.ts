// The daemons of one speaker, kept running beside the agent: zebra first, as the others wait long
// before they try it again. test/lab/bgp-engine.test.ts holds it.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Clock,
  fail,
  type Log,
  type Processes,
  type Supervised
} from '../../../../src/control.ts'
import type { PlaceFiles } from '../place/files.ts'
import { guardCommand } from './guard.ts'
import type { Hangs } from './hangs.ts'
import { type Installation, tellsOfBfd } from './version.ts'
import { askOnce } from './vty.ts'

const START_MS = 15_000
const LOOK_MS = 20
const STALE_S = 60 // what a zebra before us had learned stays so long; bgpd needs 10 s to return

/** Names of the programs, in the order they are started. */
const order = ['zebra', 'bfdd', 'bgpd'] as const
export type DaemonName = (typeof order)[number]
const configured = ['bfdd', 'bgpd'] as const

/** What they are made of. */
export interface DaemonParts {
  readonly installation: Installation
  readonly processes: Processes
  readonly clock: Clock
  readonly log: Log
  /** Which of them answer nobody. */
  readonly hangs: Hangs
  readonly files: PlaceFiles
  /** Path of the network namespace they run in. */
  readonly netns: string
  /** Sets the programs apart from those of other speakers. */
  readonly short: string
  /** Called when one has started that was not adopted. */
  readonly onStart: (name: DaemonName) => void
}

/** Those of one speaker. */
export class Daemons {
  readonly #parts: DaemonParts
  readonly #running = new Map<DaemonName | 'guard', Supervised>()

  constructor(parts: DaemonParts) {
    this.#parts = parts
  }

  /** Starts or adopts them; rejects with UNAVAILABLE when one does not answer in time. */
  async start(): Promise<void> {
    const { files, netns, processes, short } = this.#parts
    for (const name of order) {
      this.#running.set(name, processes.start(this.#optionsOf(name)))
      await this.#ready(name)
    }
    const command = guardCommand(files)
    const guard = { name: `guard-${short}`, command, netns, outlives: files.folder }
    this.#running.set('guard', processes.start(guard))
  }

  /** null while it does not run. */
  pidOf(name: DaemonName): number | null {
    return this.#running.get(name)?.pid ?? null
  }

  /** Path of the socket a daemon is spoken to by. */
  vtyOf(name: DaemonName): string {
    return join(this.#parts.files.daemons, `${name}.vty`)
  }

  /** Path of the socket by which bfdd says how its neighbours are; FRR 10.2 and later have none. */
  get bfdControl(): string {
    return join(this.#parts.files.daemons, 'bfdd.sock')
  }

  /** What a daemon answers. Rejects with UNAVAILABLE. */
  ask(name: DaemonName, command: string): Promise<string> {
    return askOnce(this.vtyOf(name), this.#parts.clock, command)
  }

  /** Starts those again that run and have answered nobody for too long. */
  async look(): Promise<void> {
    await Promise.all(order.map(name => this.#lookAt(name)))
  }

  /**
   * Starts those again that have a configuration: what is in their files they have then, nothing
   * else. Rejects with UNAVAILABLE when one does not answer in time.
   */
  async renew(): Promise<void> {
    for (const name of configured) {
      const before = this.pidOf(name)
      this.#running.get(name)?.restart()
      await this.#ready(name, before)
    }
  }

  /** Lets them be. */
  async letGo(): Promise<void> {
    await Promise.all([...this.#running.values()].map(each => each.letGo()))
  }

  /** Ends them. */
  async stop(): Promise<void> {
    await this.#running.get('guard')?.stop()
    await Promise.all([...this.#running.values()].map(each => each.stop()))
  }

  #optionsOf(name: DaemonName) {
    const { files, installation, netns, onStart, short } = this.#parts
    const own = files.daemons
    const command = [
      join(installation.folder, name),
      ...['-f', join(own, `${name}.conf`), '-i', join(own, `${name}.lock`)],
      ...['--vty_socket', own, '-z', join(own, 'zserv.api'), '-P', '0'],
      ...(name === 'zebra' ? ['-M', 'dplane_fpm_nl', '-K', `${STALE_S}`] : []),
      ...(name === 'bfdd' && tellsOfBfd(installation) ? ['--bfdctl', this.bfdControl] : []),
      ...['--log', 'stdout', '--log-level', name === 'bgpd' ? 'informational' : 'warnings']
    ]
    const options = { name: `${name}-${short}`, command, netns, outlives: files.folder }
    // A busy machine is not to be taken for a dead link.
    return { ...options, isUrgent: name === 'bfdd', onStart: () => onStart(name) }
  }

  async #lookAt(name: DaemonName): Promise<void> {
    const { clock, hangs } = this.#parts
    const pid = this.pidOf(name)
    if (pid === null) return
    const askedMs = clock.now()
    const answers = await this.#answers(name, hangs.limitMs)
    if (answers) hangs.answered(pid)
    else if (this.pidOf(name) === pid) this.#silent(name, askedMs)
  }

  #silent(name: DaemonName, askedMs: number): void {
    const { hangs, log } = this.#parts
    const pid = this.pidOf(name)
    if (pid === null || !hangs.silent(pid, askedMs)) return
    log.warn({ name, pid, silentMs: hangs.limitMs }, 'a daemon of FRR hangs and is started again')
    this.#running.get(name)?.restart()
  }

  #answers(name: DaemonName, patienceMs?: number): Promise<boolean> {
    return askOnce(this.vtyOf(name), this.#parts.clock, 'show version', patienceMs).then(
      () => true,
      () => false
    )
  }

  // It answers, and for zebra: others can connect to it. `before`: one that is to be gone.
  async #ready(name: DaemonName, before: number | null = null): Promise<void> {
    const { clock, files } = this.#parts
    const from = clock.now()
    const isThere = async (): Promise<boolean> => {
      if (before !== null && [before, null].includes(this.pidOf(name))) return false
      if (name === 'zebra' && !existsSync(join(files.daemons, 'zserv.api'))) return false
      return this.#answers(name, START_MS)
    }
    while (!(await isThere())) {
      if (clock.now() > from + START_MS) {
        this.#silent(name, from) // one that was adopted may hang since long
        throw fail('UNAVAILABLE', { what: name, reason: `it does not answer in ${START_MS} ms` })
      }
      await new Promise<void>(done => {
        clock.after(LOOK_MS, done)
      })
    }
  }
}
