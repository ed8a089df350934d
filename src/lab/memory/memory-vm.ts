// A node without a kernel, for the memory datapath: frames in by receive(), frames out by the
// callback. It answers ARP, neighbour discovery and pings like a VM, and pings by itself with the
// result that a VM of the namespace lab gives; TCP it leaves to its owner, segment by segment.
// `npm start` uses it where there is no root. test/memory-vm.test.ts holds it.

import { type Clock, sleep } from '../../core/clock.ts'
import {
  formatIp,
  type Ip,
  linkLocal,
  type Prefix,
  parseIp,
  parseMac,
  parsePrefix,
  prefixContains
} from '../../wire/address.ts'
import { eth, type PacketBuilder } from '../../wire/builder.ts'
import { fragmentIpv4, fragmentIpv6 } from '../../wire/fragments.ts'
import { LabError } from '../process/process.ts'
import { median, type PingError, type PingOptions, type PingResult } from '../traffic/ping.ts'
import { type Heard, Listener, type Segment } from './memory-listener.ts'
import { Neighbours } from './memory-neighbours.ts'

type Bytes = Uint8Array<ArrayBuffer>

/** What a machine in memory has. */
export interface MemoryVmOptions {
  readonly name: string
  /** As text. */
  readonly mac: string
  /** With prefix length, as of a VM in the namespace lab. */
  readonly addresses: readonly string[]
  /** IPv4 of its router; default: none. */
  readonly gateway?: string
  /** IPv6 of its router; default: none. */
  readonly gateway6?: string
  /** Further routes. */
  readonly routes?: readonly { readonly to: string; readonly via: string }[]
  /** Default: 1500. */
  readonly mtu?: number
  readonly clock: Clock
  /** TCP that came for one of its addresses; without, it is dropped. */
  readonly tcp?: (segment: Segment) => void
  /** Takes each frame it sends; may deliver at once. */
  readonly send: (frame: Uint8Array<ArrayBuffer>) => void
}

interface Route {
  readonly to: Prefix
  readonly via: Ip
}

/** One run of ping(), several of which may be under way. */
interface Run {
  readonly id: number
  sentAt: number
  /** Set while an answer is waited for. */
  answered: ((rttMs: number | null) => void) | undefined
  sequence: number
  duplicates: number
  answeredMs: number | null
  lastAnsweredMs: number | null
  ttl: number | undefined
  readonly errors: PingError[]
}

const L3 = 14
const PING_ID_FIRST = 0x4d00

/** A machine without a kernel: it answers, and asks when it is told to. */
export class MemoryVm {
  readonly name: string
  /** As text. */
  readonly mac: string
  /** With their lengths. */
  readonly addresses: readonly string[]
  readonly #clock: Clock
  readonly #send: (frame: Bytes) => void
  readonly #mtu: number
  readonly #mac: number
  readonly #own: readonly Prefix[]
  #routes: readonly Route[]
  readonly #neighbours: Neighbours
  readonly #listener: Listener
  readonly #runs = new Map<number, Run>()
  #pingId = PING_ID_FIRST
  #packetId = 0

  constructor(options: MemoryVmOptions) {
    this.name = options.name
    this.mac = options.mac
    this.addresses = options.addresses.map(address => address.split('/')[0]!)
    this.#clock = options.clock
    this.#send = options.send
    this.#mtu = options.mtu ?? 1500
    this.#mac = parseMac(options.mac)
    this.#own = ownPrefixes(options.addresses, this.#mac)
    this.#routes = routesOf(options)
    this.#neighbours = new Neighbours(this.#mac, this.#clock, this.#send)
    this.#listener = new Listener({
      mac: this.#mac,
      own: this.#own,
      neighbours: this.#neighbours,
      send: frame => this.#transmit(frame),
      heard: heard => this.#heard(heard),
      tcp: options.tcp ?? (() => {})
    })
  }

  /** The first address of its family; an error of the caller's when there is none. */
  address(family: 4 | 6 = 4): string {
    const found = this.addresses.find(address => address.includes(':') === (family === 6))
    if (found === undefined) throw new TypeError(`${this.name} has no IPv${family} address`)
    return found
  }

  /** A frame from the network. */
  receive(frame: Uint8Array): void {
    this.#listener.receive(frame)
  }

  /** Sends one segment of TCP over IPv4, with so many bytes of nothing. */
  segment({ from, to, fromPort, toPort, flags, sequence, acknowledgement, bytes }: Segment): void {
    const hop = this.#nextHop(parseIp(to))
    this.#neighbours.resolve(hop, this.#sourceFor(hop), mac => {
      const packet = eth(this.#mac, mac).ipv4(from, to)
      const whole = packet.tcp(fromPort, toPort, { flags, sequence, acknowledgement })
      this.#transmit(whole.payload(bytes).frame() as Bytes)
    })
  }

  /** Frames with a checksum that is not true: nobody should ever send one. */
  get damaged(): number {
    return this.#listener.damaged
  }

  /** In place of all it had. */
  setRoutes(routes: NonNullable<MemoryVmOptions['routes']>): void {
    this.#routes = routesOf({ routes })
  }

  /** Asks for every MAC anew. */
  forgetNeighbours(): void {
    this.#neighbours.clear()
  }

  /** As `ping` does it, but the next one leaves when the last is answered or given up. */
  async ping(ip: string, options: PingOptions = {}): Promise<PingResult> {
    const { count = 3, intervalMs = 1, timeoutMs = 1000 } = options
    const run = this.#open()
    const rttMs: (number | null)[] = []
    for (run.sequence = 1; run.sequence <= count; run.sequence++) {
      if (run.sequence > 1) await sleep(this.#clock, intervalMs)
      const answer = this.#answer(run, timeoutMs)
      this.#ask(parseIp(ip), run, options)
      rttMs.push(await answer)
    }
    this.#runs.delete(run.id)
    return result(`${this.name} to ${ip}`, rttMs, run)
  }

  #open(): Run {
    const id = this.#pingId++ & 0xffff
    const run: Run = {
      id,
      sentAt: 0,
      answered: undefined,
      sequence: 0,
      duplicates: 0,
      answeredMs: null,
      lastAnsweredMs: null,
      ttl: undefined,
      errors: []
    }
    this.#runs.set(id, run)
    return run
  }

  #answer(run: Run, timeoutMs: number): Promise<number | null> {
    return new Promise(resolve => {
      const timer = this.#clock.after(timeoutMs, () => run.answered?.(null))
      run.sentAt = this.#clock.now()
      run.answered = rttMs => {
        timer.cancel()
        run.answered = undefined
        resolve(rttMs)
      }
    })
  }

  #ask(to: Ip, run: Run, options: PingOptions): void {
    const { size = 56, df = false } = options
    const { id, sequence } = run
    const hop = this.#nextHop(to)
    const source = options.from === undefined ? this.#sourceFor(hop) : parseIp(options.from)
    // As a router asks: by the address of the link.
    this.#neighbours.resolve(hop, this.#sourceFor(hop), mac => {
      const packet = this.#echo(mac, source, to, options)
      const whole =
        to.family === 4 ? packet.icmpEcho(id, sequence) : packet.icmpv6Echo(id, sequence)
      const frame = whole.payload(size).frame() as Bytes
      if (!df || frame.length - L3 <= this.#mtu) return this.#transmit(frame)
      run.errors.push({ from: 'local', text: 'message too long', mtu: this.#mtu })
      run.answered?.(null)
    })
  }

  #echo(mac: number, source: Ip, to: Ip, { ttl = 64, df = false }: PingOptions): PacketBuilder {
    const packet = eth(this.#mac, mac)
    return to.family === 4
      ? packet.ipv4(formatIp(source), formatIp(to), { ttl, dontFragment: df })
      : packet.ipv6(formatIp(source), formatIp(to), { hopLimit: ttl })
  }

  // In as many frames as the MTU asks for.
  #transmit(frame: Bytes): void {
    if (frame.length - L3 <= this.#mtu) return this.#send(frame)
    const cut = new DataView(frame.buffer).getUint16(12) === 0x86dd ? fragmentIpv6 : fragmentIpv4
    const id = this.#packetId++ & 0xffff
    for (const piece of cut(frame, L3, this.#mtu, id)) this.#send(piece as Bytes)
  }

  #nextHop(to: Ip): Ip {
    if (this.#own.some(prefix => prefixContains(prefix, to))) return to
    const route = this.#routes.find(route => prefixContains(route.to, to))
    if (route === undefined) throw new LabError(`${this.name} has no route to ${formatIp(to)}`)
    return route.via
  }

  #sourceFor(hop: Ip): Ip {
    const near = this.#own.find(prefix => prefixContains(prefix, hop))
    const source = near ?? this.#own.find(prefix => prefix.family === hop.family)
    if (source === undefined) throw new LabError(`${this.name} has no IPv${hop.family} address`)
    return source
  }

  #heard({ id, sequence, ttl, error }: Heard): void {
    const run = this.#runs.get(id)
    if (run === undefined) return
    const waited = run.sequence === sequence && run.answered !== undefined
    if (error !== undefined) {
      run.errors.push(error)
      if (waited) run.answered?.(null)
      return
    }
    run.ttl = ttl
    run.lastAnsweredMs = this.#clock.now()
    run.answeredMs ??= run.lastAnsweredMs
    if (waited) run.answered?.(this.#clock.now() - run.sentAt)
    else run.duplicates++ // or so late that it counted as lost
  }
}

function result(what: string, rttMs: readonly (number | null)[], run: Run): PingResult {
  const { duplicates, answeredMs, lastAnsweredMs, ttl, errors } = run
  const received = rttMs.filter(rtt => rtt !== null).length
  const [first = null, ...rest] = rttMs
  const later = median(rest.filter(rtt => rtt !== null))
  const texts = errors.map(error => `, ${error.text} from ${error.from}`)
  const output = `${what}: ${received} of ${rttMs.length} answered${texts.join('')}`
  const sent = rttMs.length
  const answered = { received, answeredMs, lastAnsweredMs, rttMs, first, later }
  return { sent, duplicates, ...answered, ttl, errors, output }
}

function ownPrefixes(addresses: readonly string[], mac: number): Prefix[] {
  const own = addresses.map(parsePrefix)
  if (own.some(prefix => prefix.family === 6))
    own.push({ family: 6, words: linkLocal(mac), length: 64 })
  return own
}

/** Longest first. */
function routesOf({
  gateway,
  gateway6,
  routes = []
}: Pick<MemoryVmOptions, 'gateway' | 'gateway6' | 'routes'>): Route[] {
  const texts = [
    ...routes,
    ...(gateway === undefined ? [] : [{ to: '0.0.0.0/0', via: gateway }]),
    ...(gateway6 === undefined ? [] : [{ to: '::/0', via: gateway6 }])
  ]
  const all = texts.map(({ to, via }) => ({ to: parsePrefix(to), via: parseIp(via) }))
  return all.sort((a, b) => b.to.length - a.to.length)
}
