// From a trace request to a walk: which port, which host, which frame.  What a description leaves
// out (the MAC addresses, mostly) is filled in as the neighbourhood would, and told.
// test/api/trace.test.ts holds it.

import type { Store, Versioned } from '../../topology/store.ts'
import { describeFrame } from '../../wire/describe.ts'
import type { AgentsView, TraceResult } from '../agents.ts'
import { conflict, invalid, Refusal } from '../http/refusal.ts'
import type { Ports } from '../rest/ports.ts'
import { gatewayMac } from './gateway.ts'
import { type Built, frameOf, hexFrame, parsePacket } from './packet.ts'

/** What a trace is asked with. */
export interface TraceBody {
  /** Id of the port where the packet comes in. */
  readonly port?: string
  /** Id of the host that walks; default: the port's. */
  readonly host?: string
  /** Instead of a port: an interface of the host. */
  readonly interface?: string
  /** The packet, described. */
  readonly packet?: unknown
  /** Instead: the frame, hexadecimal. */
  readonly frame?: string
}

/** What the packet would meet, and what was taken for granted. */
export interface TraceAnswer extends TraceResult {
  /** Id of the port. */
  readonly port: string
  /** Id of the host that walked. */
  readonly host: string
  /** The packet in a line. */
  readonly packet: string
  /** What the description did not say. */
  readonly assumed: readonly string[]
}

/** Has described packets walked. */
export class Tracer {
  readonly #store: Store
  readonly #ports: Ports
  readonly #agents: AgentsView

  constructor(store: Store, ports: Ports, agents: AgentsView) {
    this.#store = store
    this.#ports = ports
    this.#agents = agents
  }

  /** Finds port and host, has the host walk; throws 400, 404 or 503. */
  async trace(body: TraceBody): Promise<TraceAnswer> {
    if ((body.packet === undefined) === (body.frame === undefined))
      throw invalid([{ field: 'packet', value: body.packet, expected: 'either packet or frame' }])
    const port = await this.#entry(body)
    const host = await this.#walker(port, body.port === undefined ? undefined : body.host)
    const { frame, assumed } = await this.#frame(port, body)
    const result = await this.#agents.trace(host, { portId: port.id, frame })
    return { port: port.id, host, packet: describeFrame(frame), assumed, ...result }
  }

  async #entry(body: TraceBody): Promise<Versioned> {
    const { port: id, host, interface: name } = body
    if (id !== undefined) {
      if (name !== undefined)
        throw invalid([{ field: 'interface', value: name, expected: 'none: there is a port' }])
      const port = await this.#store.read('port', id)
      if (port !== undefined) return port
      throw invalid([{ field: 'port', value: id, expected: 'the id of a port that exists' }])
    }
    if (host === undefined || name === undefined) {
      const expected = 'the id of a port, or host and interface'
      throw invalid([{ field: 'port', value: undefined, expected }])
    }
    const bound = await this.#ports.boundTo(host, name)
    if (bound !== undefined) return bound
    const expected = `an interface of host ${host} that a port is bound to`
    throw invalid([{ field: 'interface', value: name, expected }])
  }

  // Any host walks alike; the one the port is bound on knows most.
  async #walker(port: Versioned, wanted: string | undefined): Promise<string> {
    if (wanted !== undefined) {
      if ((await this.#agents.host(wanted))?.alive === true) return wanted
      throw conflict({ field: 'host', value: wanted, expected: 'a host whose agent is alive' })
    }
    const bound = port.value.host === undefined ? undefined : String(port.value.host)
    if (bound !== undefined && (await this.#agents.host(bound))?.alive === true) return bound
    const any = (await this.#agents.hosts()).find(({ alive }) => alive)
    if (any !== undefined) return any.id
    const message = 'no agent reports here, so nobody can walk the packet'
    throw new Refusal({ status: 503, code: 'UNAVAILABLE', message })
  }

  async #frame(port: Versioned, { packet, frame }: TraceBody): Promise<Built> {
    if (frame !== undefined) return { frame: hexFrame(frame), assumed: [] }
    const described = parsePacket(packet)
    const { from, to } = described
    return frameOf(described, await gatewayMac(this.#store, port, from.ip, to.ip))
  }
}
