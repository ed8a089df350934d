// BGP by FRR: a speaker for each uplink port, made or adopted; what earlier agents left can be
// found and removed. test/lab/bgp-engine.test.ts holds it.

import { type Clock, fail, type Log, type Processes } from '../../../src/control.ts'
import type { BgpEngine, Speaker, UplinkPlace } from './engine.ts'
import { Hangs, HUNG_AFTER_MS } from './frr/hangs.ts'
import { validatePlace } from './frr/validate.ts'
import { findInstallation, type Installation } from './frr/version.ts'
import { PlaceFiles, portsIn } from './place/files.ts'
import { endInhabitants, removeNamespace, shortOf } from './place/namespace.ts'
import { FrrSpeaker } from './speaker.ts'

/** What the engine is made of. */
export interface FrrEngineOptions {
  readonly processes: Processes
  readonly clock: Clock
  readonly log: Log
  /** Where files and sockets are; the user of FRR must be able to come there. */
  readonly folder?: string
  /** Where FRR's daemons are; left out: the usual folders. */
  readonly daemons?: string
  /** What is announced is withdrawn when no agent was there for so long; default: 10 s. */
  readonly withdrawAfterMs?: number
  /** A daemon that answers nothing for so long is started again; default: 90 s. */
  readonly hungAfterMs?: number
}

const FOLDER = '/run/mezzo-bgp'
const WITHDRAW_AFTER_MS = 10_000

/** All speakers of one host. */
export class FrrEngine implements BgpEngine {
  readonly status: BgpEngine['status']
  readonly #options: FrrEngineOptions
  readonly #installation: Installation | null
  readonly #folder: string
  readonly #open = new Map<string, FrrSpeaker>()
  readonly #hangs: Hangs

  private constructor(options: FrrEngineOptions, found: Installation | string) {
    this.#options = options
    this.#hangs = new Hangs(options.clock, options.hungAfterMs ?? HUNG_AFTER_MS)
    this.#folder = options.folder ?? FOLDER
    this.#installation = typeof found === 'string' ? null : found
    this.status =
      typeof found === 'string'
        ? { version: null, reason: found }
        : { version: found.version, reason: null }
  }

  /** Looks for FRR; without it there is an engine that says so. */
  static async make(options: FrrEngineOptions): Promise<FrrEngine> {
    return new FrrEngine(options, await findInstallation(options.daemons))
  }

  async open(place: UplinkPlace): Promise<Speaker> {
    validatePlace(place)
    const { port } = place
    if (this.#installation === null)
      throw fail('UNAVAILABLE', { what: 'BGP', reason: this.status.reason ?? '' })
    if (this.#open.has(port)) throw fail('EXISTS', { kind: 'BGP speaker of port', id: port })
    const other = portsIn(this.#folder).find(each => each.short === shortOf(port))
    if (other !== undefined && other.port !== port)
      throw fail('EXISTS', { kind: 'what is called after the port', id: other.port })
    const speaker = new FrrSpeaker(place, {
      ...this.#options,
      installation: this.#installation,
      hangs: this.#hangs,
      folder: this.#folder,
      withdrawAfterMs: this.#options.withdrawAfterMs ?? WITHDRAW_AFTER_MS,
      onLetGo: () => this.#open.delete(port),
      onClose: last => this.remove(port, last)
    })
    this.#open.set(port, speaker)
    try {
      await speaker.open()
      return speaker
    } catch (error) {
      await speaker.leave()
      throw error
    }
  }

  async places(): Promise<readonly string[]> {
    return portsIn(this.#folder).map(({ port }) => port)
  }

  async remove(port: string, last: () => Promise<void> = async () => {}): Promise<void> {
    const speaker = this.#open.get(port)
    this.#open.delete(port)
    await speaker?.end()
    const found = portsIn(this.#folder).find(each => each.port === port)
    if (found === undefined) return
    const files = new PlaceFiles(this.#folder, found.short)
    await endInhabitants(found.short, files.folder, this.#options)
    await removeNamespace(found.short)
    await last()
    files.removeAll()
  }
}
