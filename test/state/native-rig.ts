// The exchange's rig on real sockets.  Each host knows the others by addresses of a relay, one for
// each way, which loses, doubles and delays what passes by a seeded die, and sends probes back as
// the program on a host's underlay does.
//   host i ──► address of (i, j) ═ relay ═ address of (j, i) ──► host j

import assert from 'node:assert/strict'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { setPriority } from 'node:os'
import { Allowance } from '../../src/core/allowance.ts'
import { SystemClock } from '../../src/core/clock.ts'
import { SeededRandom } from '../../src/core/random.ts'
import { NativeExchange } from '../../src/native/exchange.ts'
import { NativeStateTable } from '../../src/native/state-table.ts'
import { EXCHANGE_DEFAULT } from '../../src/state/exchange/exchange.ts'
import { hostHash } from '../../src/state/record.ts'
import {
  type ExchangeRig,
  type Faults,
  Heard,
  type Host,
  isAcknowledgement,
  KEY,
  KINDS
} from './exchange-rig.ts'
import { TIMEOUTS } from './kinds.ts'
import { addressOf, PORT, textOf, until } from './native-hosts.ts'
import { FRAME_BYTES, frame, PROBE_ANSWERED, PROBE_ASKED } from './scripted-peer.ts'

const CAPACITY = 20_000
// The relay is a thread among others and may stand still for longer than the default takes a host
// for dead after: what is lost for that is no part of the contract.
const SETTINGS = { ...EXCHANGE_DEFAULT, deadMs: 1000 }
const RELAY_NICE = -15
const TRIES_MAX = 5 // of opening a rig in which each meets each once
const REORDERED_MS = 4
const SENT_MAX = 10_000
const STRANGER = addressOf(250)

interface NativeHost extends Host {
  exchange: NativeExchange
  table: NativeStateTable
  heard: Heard
  isCut: boolean
  kernel: boolean
}

const relayAddress = (of: number, to: number): number => addressOf(100 + of * 10 + to)

export class NativeRig implements ExchangeRig {
  readonly settings = SETTINGS
  readonly hosts: NativeHost[] = []
  readonly #clock = new SystemClock()
  readonly #random = new SeededRandom(4)
  readonly #sockets = new Map<number, Socket>()
  readonly #sent = new Map<string, Uint8Array[]>()
  #faults: Faults = {}
  #acknowledged: Allowance | null = null
  #isOpen = true

  static async open(count: number): Promise<NativeRig> {
    hurry()
    for (let tries = 1; ; tries++) {
      const rig = new NativeRig()
      try {
        const isAsExpected = await rig.#open(Array.from({ length: count }, (_, i) => i))
        if (isAsExpected || tries === TRIES_MAX) return rig
      } catch (error) {
        rig.close()
        throw error
      }
      rig.close()
    }
  }

  // False: on a machine that let us wait, some have met, parted and met again.
  async #open(all: readonly number[]): Promise<boolean> {
    for (const of of all)
      for (const to of all.filter(other => other !== of))
        await this.#listen(relayAddress(of, to), bytes => this.#relay(of, to, bytes))
    await this.#listen(STRANGER, () => {})
    for (const i of all) {
      const name = { word: hostHash(`h${i}`), address: addressOf(i + 1) }
      this.hosts.push({ ...name, isCut: false, kernel: true, ...agent(name.word) })
    }
    for (const i of all) this.#introduce(i)
    // what the agents hear comes a little after it is so
    const heard = this.hosts.flatMap(({ heard: { signs, sessions } }) => [signs, sessions])
    await until('all have met', () => heard.every(({ length }) => length >= all.length - 1))
    return heard.every(({ length }) => length === all.length - 1)
  }

  until(what: string, done: () => boolean): Promise<void> {
    return until(what, done)
  }

  pass(ms: number): Promise<void> {
    return new Promise(done => {
      this.#clock.after(ms, done)
    })
  }

  faults(of: Faults): void {
    const { acknowledgedPerS: perS } = of
    this.#faults = of
    this.#acknowledged = perS === undefined ? null : new Allowance(1, perS)
  }

  stop(host: number, kernel: 'forwards' | 'gone'): void {
    this.hosts[host]!.exchange.close()
    this.hosts[host]!.kernel = kernel === 'forwards'
  }

  start(host: number): void {
    const one = this.hosts[host]!
    one.table.close()
    Object.assign(one, agent(one.word), { kernel: true })
    this.#introduce(host)
  }

  cut(host: number, isCut: boolean): void {
    this.hosts[host]!.isCut = isCut
  }

  sent(from: number, to: number): readonly Uint8Array[] {
    return this.#sent.get(`${from} ${to}`) ?? []
  }

  inject(address: number, to: number, message: Uint8Array): void {
    const from = this.hosts.findIndex(host => host.address === address)
    this.#deliver(from < 0 ? STRANGER : relayAddress(to, from), to, frame(message))
  }

  close(): void {
    this.#isOpen = false
    for (const { exchange, table } of this.hosts) {
      exchange.close()
      table.close()
    }
    for (const socket of this.#sockets.values()) socket.close()
  }

  async #listen(address: number, hear: (bytes: Uint8Array) => void): Promise<void> {
    const socket = createSocket({ type: 'udp4', reuseAddr: true, recvBufferSize: 1 << 21 })
    this.#sockets.set(address, socket)
    socket.on('message', bytes => hear(new Uint8Array(bytes)))
    socket.bind(PORT, textOf(address))
    await once(socket, 'listening')
  }

  #introduce(host: number): void {
    const { exchange, address: local } = this.hosts[host]!
    exchange.setKey(KEY)
    exchange.setPeers(
      this.hosts.flatMap(({ word }, to) =>
        to === host ? [] : [{ word, address: relayAddress(host, to), local }]
      )
    )
  }

  #relay(from: number, to: number, bytes: Uint8Array): void {
    const back = relayAddress(from, to)
    if (bytes[7] === PROBE_ASKED) {
      bytes[7] = PROBE_ANSWERED
      if (this.#isReachable(from, to)) this.#deliver(back, from, bytes)
      return
    }
    const sent = this.#sent.get(`${from} ${to}`) ?? []
    this.#sent.set(`${from} ${to}`, sent)
    if (sent.push(bytes.slice(FRAME_BYTES)) > SENT_MAX) sent.shift()
    const { drop = 0, duplicate = 0, reorder = 0 } = this.#faults
    if (isAcknowledgement(bytes.subarray(FRAME_BYTES)) && this.#isLost()) return
    for (let copies = this.#random.chance(duplicate) ? 2 : 1; copies > 0; copies--) {
      if (this.#random.chance(drop)) continue
      const pass = () => {
        if (this.#isReachable(from, to)) this.#deliver(relayAddress(to, from), to, bytes)
      }
      if (this.#random.chance(reorder)) this.#clock.after(this.#random.below(REORDERED_MS), pass)
      else pass()
    }
  }

  #deliver(from: number, to: number, bytes: Uint8Array): void {
    if (this.#isOpen) this.#sockets.get(from)!.send(bytes, PORT, textOf(this.hosts[to]!.address))
  }

  // An acknowledgement.
  #isLost(): boolean {
    if (this.#acknowledged?.take(this.#clock.now()) === false) return true
    return this.#random.chance(this.#faults.unacknowledged ?? 0)
  }

  #isReachable(from: number, to: number): boolean {
    const there = this.hosts[to]!
    return !this.hosts[from]!.isCut && !there.isCut && there.kernel
  }
}

// What the network does is not to wait for what else the machine does, where we may say so.
function hurry(): void {
  try {
    setPriority(RELAY_NICE)
  } catch {
    // not ours to say
  }
}

function agent(host: number) {
  const heard = new Heard()
  const table = new NativeStateTable({ capacity: CAPACITY, timeouts: TIMEOUTS })
  const settings = SETTINGS
  const exchange = new NativeExchange({
    ...{ host, kinds: KINDS, table, settings },
    ...{ listener: heard, port: PORT }
  })
  assert.deepEqual(exchange.counters().peers, 0)
  return { exchange, table, heard }
}
