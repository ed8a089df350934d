// One check of one member: it ends once, with nothing or with the reason it failed.
// health.test.ts holds it.

import {
  address,
  type Clock,
  openTls,
  type Random,
  type Timer,
  type TlsOver
} from '../../../src/plugin.ts'
import { CODES_DEFAULT, parseCodes } from './codes.ts'
import type { HealthMonitorModel } from './model.ts'
import { type Answer, type Ends, Probe, pingFrame, udpFrame } from './packets.ts'
import type { Line, ProbeTransport, Target } from './probe-transport.ts'
import { TcpClient } from './tcp.ts'

const TIMEOUT_MS = 2000
const WAY_MS = 50
const RETRY_MS = 500 // a lost packet is not a dead member
const HEAD_MAX = 1024 // bytes in which the status line must be
const STATUS = /^HTTP\/1\.[01] (\d{3})/

export const Failure = {
  timeout: 'timeout',
  unreachable: 'unreachable',
  noWay: 'no-way',
  tls: 'tls'
} as const

/** What a check is made of. */
export interface CheckNeeds {
  readonly transport: ProbeTransport
  readonly clock: Clock
  readonly random: Random
}

/** A check under way. */
export interface RunningCheck {
  /** Ends it without a result. */
  stop(): void
}

/** `done` is called once, later, with what failed, or undefined. */
export function check(
  monitor: HealthMonitorModel,
  target: Target,
  needs: CheckNeeds,
  done: (failure: string | undefined) => void
): RunningCheck {
  const one = new Check(monitor, target, needs, done)
  one.begin()
  return one
}

class Check implements RunningCheck {
  readonly #monitor: HealthMonitorModel
  readonly #target: Target
  readonly #needs: CheckNeeds
  readonly #done: (failure: string | undefined) => void
  #line: Line | undefined
  #tcp: TcpClient | null = null
  #tls: TlsOver | null = null
  #timers: Timer[] = []
  #over = false
  #went = false // something was really sent
  #head = ''

  constructor(
    monitor: HealthMonitorModel,
    target: Target,
    needs: CheckNeeds,
    done: (failure: string | undefined) => void
  ) {
    this.#monitor = monitor
    this.#target = target
    this.#needs = needs
    this.#done = done
  }

  begin(): void {
    const { type, timeoutMs = TIMEOUT_MS } = this.#monitor
    const probe = type === 'udp' ? Probe.udp : type === 'ping' ? Probe.ping : Probe.tcp
    this.#after(timeoutMs, () => this.#late())
    this.#line = this.#needs.transport.open(probe, this.#target, answer => this.#heard(answer))
    if (this.#line === undefined) return this.#after(0, () => this.#end(Failure.noWay))
    if (probe === Probe.tcp) this.#after(0, () => this.#connect())
    else this.#after(0, () => this.#ask(0))
  }

  stop(): void {
    if (!this.#over) this.#close()
  }

  // Silence is an answer of UDP, once the datagram has gone: many servers say nothing to nonsense.
  #late(): void {
    this.#end(this.#monitor.type === 'udp' && this.#went ? undefined : Failure.timeout)
  }

  #heard(answer: Answer): void {
    if (this.#tcp !== null) this.#tcp.heard(answer)
    else this.#end(answer.isError ? Failure.unreachable : undefined)
  }

  // --- one packet, and again ---

  #ask(times: number): void {
    const isPing = this.#monitor.type === 'ping'
    const make = (ends: Ends): Uint8Array => (isPing ? pingFrame(ends, times) : udpFrame(ends))
    const went = this.#line!.send(make)
    if (went === false) return this.#end(Failure.noWay)
    if (went === true) this.#went = true
    const next = went === true ? times + 1 : times
    this.#after(went === null ? WAY_MS : RETRY_MS, () => this.#ask(next))
  }

  // --- a connection ---

  #connect(): void {
    const { clock, random } = this.#needs
    this.#tcp = new TcpClient(this.#line!, clock, random, {
      opened: () => this.#opened(),
      data: bytes => (this.#tls === null ? this.#read(bytes) : this.#tls.received(bytes)),
      ended: () => (this.#tls === null ? this.#end('no-answer') : this.#tls.ended()),
      failed: reason => this.#end(reason)
    })
  }

  #opened(): void {
    const { type, host } = this.#monitor
    if (type === 'tcp') return this.#end(undefined)
    if (type === 'http') return this.#tcp!.write(this.#request())
    this.#tls = openTls(host, {
      send: bytes => this.#tcp?.write(bytes),
      opened: () => this.#tls?.write(this.#request()),
      data: bytes => this.#read(bytes),
      failed: () => this.#end(Failure.tls)
    })
  }

  #request(): Uint8Array {
    const { path = '/', host } = this.#monitor
    const { family, words } = this.#target
    const ip = address.formatIp({ family, words })
    const name = host ?? (family === 6 ? `[${ip}]` : ip)
    const transport = [
      `GET ${path} HTTP/1.1`,
      `Host: ${name}`,
      'User-Agent: mezzo-health',
      'Accept: */*',
      'Connection: close'
    ]
    return new TextEncoder().encode(`${transport.join('\r\n')}\r\n\r\n`)
  }

  #read(bytes: Uint8Array): void {
    this.#head += new TextDecoder('latin1').decode(bytes)
    if (!this.#head.includes('\n')) {
      if (this.#head.length > HEAD_MAX) this.#end('no-http')
      return
    }
    const found = STATUS.exec(this.#head)
    if (found === null) return this.#end('no-http')
    const code = Number(found[1])
    const ranges = parseCodes(this.#monitor.expectedCodes ?? CODES_DEFAULT) ?? []
    const isWell = ranges.some(([first, last]) => code >= first && code <= last)
    this.#end(isWell ? undefined : `status-${code}`)
  }

  #after(ms: number, fire: () => void): void {
    this.#timers.push(
      this.#needs.clock.after(ms, () => {
        if (!this.#over) fire()
      })
    )
  }

  #end(failure: string | undefined): void {
    if (this.#over) return
    this.#close()
    this.#done(failure)
  }

  #close(): void {
    this.#over = true
    for (const timer of this.#timers) timer.cancel()
    this.#tls?.close()
    this.#tcp?.close()
    this.#line?.close()
  }
}
