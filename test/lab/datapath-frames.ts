// Raw frames in, raw frames out: a second datapath stands outside and sends any bytes whatever into
// the one under test, and reports what comes back, byte for byte.

import { setTimeout as wait } from 'node:timers/promises'
import type { EbpfDatapath, EbpfOptions } from '../../src/datapath/ebpf/ebpf.ts'
import { ActionList } from '../../src/flow/actions.ts'
import { Bench, type Decide, Deputy, type Seen } from './datapath-lab.ts'

export interface Arrival {
  readonly port: number // of the bench, 0..
  readonly bytes: Uint8Array
}

export class FrameBench {
  readonly bench = new Bench()
  readonly outside: Deputy
  readonly under: Deputy
  readonly ports: number[] = [] // ifindexes of the one under test
  readonly #outsidePorts: number[] = []

  constructor(ports: number, options: Partial<EbpfOptions> = {}, mtu = 1500) {
    this.bench.namespace('g', 'h')
    this.bench.sh('g', 'sysctl -qw net.ipv6.conf.default.disable_ipv6=1')
    this.bench.sh('h', 'sysctl -qw net.ipv6.conf.default.disable_ipv6=1')
    for (let i = 0; i < ports; i++)
      this.bench.veth({ in: 'g', name: `g${i}`, mtu }, { in: 'h', name: `h${i}`, mtu })
    const outside = this.bench.open('g', { creditsPerPort: 4096 })
    const under = this.bench.open('h', options)
    for (let i = 0; i < ports; i++) {
      this.#outsidePorts.push(this.bench.attach('g', outside, `g${i}`))
      this.ports.push(this.bench.attach('h', under, `h${i}`))
    }
    this.outside = new Deputy(outside, () => null)
    this.under = new Deputy(under, () => null)
  }

  get datapath(): EbpfDatapath {
    return this.under.datapath
  }

  // Sends frames into port `port` of the one under test.
  send(port: number, ...frames: Uint8Array[]): void {
    const actions = new ActionList()
    actions.output(this.#outsidePorts[port]!)
    for (const frame of frames) this.outside.datapath.inject(frame, actions)
    this.outside.datapath.flush()
  }

  // What has come back since the last call, once there are `count` or nothing more comes.
  async arrivals(count: number): Promise<Arrival[]> {
    await until(() => this.outside.seen.length >= count)
    return this.outside.seen.splice(0).map(({ ifindex, bytes }) => ({
      port: this.#outsidePorts.indexOf(ifindex),
      bytes
    }))
  }

  // Upcalls of the one under test since the last call.
  async upcalls(count: number): Promise<Seen[]> {
    await until(() => this.under.seen.length >= count)
    return this.under.seen.splice(0)
  }

  decide(decide: Decide): void {
    this.under.decide = decide
  }

  close(): void {
    this.bench.close()
  }
}

// Waits for what should be, at most so long; the assertion that follows says what was.
export async function until(done: () => boolean, limitMs = 10_000): Promise<void> {
  const end = performance.now() + limitMs
  while (!done() && performance.now() < end) await wait(2)
}

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
