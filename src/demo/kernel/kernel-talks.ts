// The demo's connections between kernels: real TCP by lab/crowd.c, which knows every byte that
// has to come and the longest time in which none came. A VIP's may end at either member.
// test/lab/demo.test.ts holds it.

import { reasonOf } from '../../core/errors.ts'
import type { Machine } from '../../lab/index.ts'
import { CrowdEnd, CrowdServer } from '../../lab/traffic/crowd.ts'
import type { Renewed } from '../ground.ts'
import {
  type Connection,
  type Conversation,
  EVERY_MS,
  SERVER_PORT,
  SILENT_MS_MAX,
  silenceText,
  type Talk,
  talks
} from '../plan/talks.ts'

type Report = Awaited<ReturnType<CrowdEnd['report']>>
type End = Report extends Map<number, infer E> ? E : never

const PER_SECOND = 200
const OPEN = 0
const RESET = -104 // ECONNRESET
const words: Readonly<Record<number, string>> = { 1: 'closed', 2: 'wrong bytes', [RESET]: 'reset' }

/** The plan's connections, by programs in the namespaces. */
export class KernelTalks implements Conversation {
  readonly #machine: (name: string) => Machine
  readonly #clients: ReadonlyMap<Talk, CrowdEnd>
  readonly #servers: ReadonlyMap<string, CrowdServer>
  #renewed = 0

  /** Opens all connections; throws when one cannot be opened. */
  static async open(machine: (name: string) => Machine): Promise<KernelTalks> {
    const names = [...new Set(talks.flatMap(({ ends }) => ends))]
    const servers = await Promise.all(
      names.map(async name => [name, await CrowdServer.start(machine(name), SERVER_PORT)] as const)
    )
    const clients = await Promise.all(
      talks.map(
        async talk => [talk, await openTalk(talk, machine(talk.from), groupOf(talk))] as const
      )
    )
    return new KernelTalks(machine, new Map(clients), new Map(servers))
  }

  private constructor(
    machine: (name: string) => Machine,
    clients: ReadonlyMap<Talk, CrowdEnd>,
    servers: ReadonlyMap<string, CrowdServer>
  ) {
    this.#machine = machine
    this.#clients = clients
    this.#servers = servers
  }

  /** Opens as many connections again, each of which has to be answered, and ends them. */
  async renew(): Promise<Renewed> {
    this.#renewed += talks.length
    const tried = talks.map(async talk => {
      const client = await openTalk(talk, this.#machine(talk.from), groupOf(talk) + this.#renewed)
      await client.stop()
    })
    const settled = await Promise.allSettled(tried)
    const wrong = settled.flatMap(each =>
      each.status === 'rejected' ? [reasonOf(each.reason)] : []
    )
    return { opened: talks.reduce((sum, { count }) => sum + count, 0), wrong }
  }

  mark(): void {
    for (const client of this.#clients.values()) client.mark()
    for (const server of this.#servers.values()) server.end.mark()
  }

  async read(talk: Talk): Promise<readonly Connection[]> {
    const group = groupOf(talk)
    const servers = talk.ends.map(name => this.#servers.get(name)!.end)
    const [here, ...there] = await Promise.all(
      [this.#clients.get(talk)!, ...servers].map(end => end.report(group))
    )
    return Array.from({ length: talk.count }, (_, id) =>
      connection(talk, id, here!.get(id), there.find(end => end.has(id))?.get(id))
    )
  }
}

const groupOf = ({ id }: Talk): number => id + 1

const openTalk = (talk: Talk, machine: Machine, group: number): Promise<CrowdEnd> =>
  CrowdEnd.open(machine, { ...talk, group, everyMs: EVERY_MS, perSecond: PER_SECOND })

function connection(talk: Talk, id: number, here?: End, there?: End): Connection {
  const listener = talk.speaks === 'client' ? there : here
  const ends = [here, there]
  const fault = ends.map(faultOf).find(text => text !== undefined) ?? silence(listener)
  const isReset = ends.some(end => end?.state === RESET)
  return { id, fault, isReset, gapMs: listener?.gapMs ?? 0, bytes: listener?.bytes ?? 0 }
}

function faultOf(end: End | undefined, i: number): string | undefined {
  const side = i === 0 ? 'client' : 'server'
  if (end === undefined) return `${side} missing`
  if (end.state === OPEN) return undefined
  return `${side} ${words[end.state] ?? `errno ${-end.state}`}`
}

const silence = (listener: End | undefined): string | undefined =>
  listener !== undefined && listener.silentMs > SILENT_MS_MAX
    ? silenceText(listener.silentMs)
    : undefined
