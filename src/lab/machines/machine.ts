// A namespace that sends and receives: a VM, an outside node, and a host too. All traffic comes
// from real kernels and real clients; what has to be fast or exact is written in C, in native/lab.
// test/lab/lib-self.test.ts holds it.

import { INTERFACE_MAX, Namespace } from '../process/namespace.ts'
import { type Job, LabError } from '../process/process.ts'
import {
  PINGS_MAX,
  type PingOptions,
  type PingResult,
  parsePing,
  pingArguments,
  pingLimitMs
} from '../traffic/ping.ts'
import { type StreamOptions, type StreamServer, serveTcp, TcpStream } from '../traffic/stream.ts'
import { Traffic, tool } from '../traffic/traffic.ts'
import { macFor } from './addresses.ts'

/** A namespace with what tests ask of one: pings, captures, streams, traffic. */
export class Machine extends Namespace {
  /** TCP streams with an account of every byte and every gap. */
  readonly tcp = {
    serve: (port?: number, host?: string): Promise<StreamServer> => serveTcp(this, port, host),
    stream: (options: StreamOptions): Promise<TcpStream> => TcpStream.open(this, options)
  }

  /** UDP echoes, floods, connection rates, bulk TCP. */
  readonly traffic = new Traffic(this)

  /** Sends echo requests and waits for the answers; throws only when it cannot send. */
  async ping(ip: string, options: PingOptions = {}): Promise<PingResult> {
    const command = [await tool('ping'), ...pingArguments(ip, options)]
    return parsePing(await this.must(command, { timeoutMs: pingLimitMs(options) }))
  }

  /** Pings until it is stopped, for minutes at most. */
  async pings(ip: string, intervalMs: number): Promise<Job> {
    const arguments_ = pingArguments(ip, { count: PINGS_MAX, intervalMs })
    return this.spawn([await tool('ping'), ...arguments_])
  }

  /** Where a packet to this address goes first: the interface and the neighbour's MAC. */
  async nextHop(ip: string): Promise<{ ifname: string; mac: string; source: string }> {
    const text = await this.must(['ip', '-j', 'route', 'get', ip])
    const [route] = JSON.parse(text) as { dev: string; gateway?: string; prefsrc?: string }[]
    if (route === undefined) throw new LabError(`${this.name} has no route to ${ip}`)
    const neighbour = route.gateway ?? ip
    await this.ping(neighbour, { count: 1 }) // the answer does not matter, the neighbour entry does
    const show = ['ip', '-j', 'neigh', 'show', neighbour, 'dev', route.dev]
    const [entry] = JSON.parse((await this.must(show)) || '[]') as { lladdr?: string }[]
    if (entry?.lladdr === undefined)
      throw new LabError(`${this.name} does not learn the MAC address of ${neighbour}`)
    return { ifname: route.dev, mac: entry.lladdr, source: route.prefsrc ?? '' }
  }
  /** A cable from an interface here to one in another namespace. */
  async cable(ifname: string, peer: string, peerNetns: string, o: CableOptions): Promise<void> {
    if (ifname.length > INTERFACE_MAX)
      throw new LabError(`interface is "${ifname}"; expected at most ${INTERFACE_MAX} letters`)
    const mac = macFor(this.netns, ifname)
    const end = `name ${peer} address ${o.mac} mtu ${o.mtu} netns ${peerNetns}`
    await this.ip(
      `link add name ${ifname} address ${mac} mtu ${o.mtu} type veth peer ${end}`,
      `link set dev ${ifname} up`
    )
  }
}

/** What a cable to a machine is like. */
export interface CableOptions {
  /** Of the far end. */
  readonly mac: string
  /** Of both ends. */
  readonly mtu: number
}
