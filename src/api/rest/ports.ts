// Links and bindings: what a port's other end is.  A link is written at both ports at once, a
// binding against the version that was read; so two clients cannot both win.  Who moves a port
// names the host it believes it to be on: the old host, which comes late, changes nothing.  The
// fields behind them (peer, host, interface, previousHost) are changed here and nowhere else.
// test/api/ports.test.ts holds it.

import { isFailure } from '../../core/errors.ts'
import type { Fault, Stored } from '../../topology/model.ts'
import { isOwn } from '../../topology/models.ts'
import type { Store, Versioned } from '../../topology/store.ts'
import type { AgentsView } from '../agents.ts'
import { conflict, invalid, notFound, precondition, refusalOf } from '../http/refusal.ts'
import type { Managed } from './maker.ts'
import type { Expected } from './objects.ts'
import { RequestReader } from './request-reader.ts'

const LINK = 'POST /ports/{id}/link'
const BINDING = 'PUT /ports/{id}/binding'
/** Fields of a port that these routes manage and no body may have. */
export const managedFields: Managed = {
  port: { peer: LINK, host: BINDING, interface: BINDING, previousHost: BINDING }
}

/** An interface of a host. */
export interface Place {
  /** Id of the host. */
  readonly host: string
  /** Its name there. */
  readonly interface: string
}

/** Which interface a port is bound to. */
export interface Binding extends Place {
  /** Id of the port. */
  readonly port: string
  /** Where it was before it moved. */
  readonly previousHost?: string
}

/** Where a port is to be bound, and the host it is on now, or was on last, as the caller knows. */
export interface BindingPut extends Place {
  /** Where its state is; undefined: where it is bound now. */
  readonly previousHost?: string
}

const ATTEMPTS_MAX = 5

/** Links and bindings of ports. */
export class Ports {
  readonly #store: Store
  readonly #agents: Pick<AgentsView, 'interfaces'>

  constructor(store: Store, agents: Pick<AgentsView, 'interfaces'>) {
    this.#store = store
    this.#agents = agents
  }

  /** The other end of a port's link; throws 404. */
  async peer(id: string): Promise<string> {
    const { value } = await portOf(this.#store, id)
    if (typeof value.peer !== 'string') throw notFound('link of port', id)
    return value.peer
  }

  /** Joins two ports of devices; throws 400, 404 or 409. */
  link(id: string, peerId: string): Promise<void> {
    return this.#again(async reader => {
      const port = await portOf(reader, id)
      if (id === peerId)
        throw invalid([{ field: 'peer', value: peerId, expected: 'another port than this one' }])
      const peer = await reader.read('port', peerId)
      if (peer === undefined)
        throw invalid([{ field: 'peer', value: peerId, expected: 'the id of a port that exists' }])
      if (port.value.peer === peerId && peer.value.peer === id) return
      mustBeFree(port, 'id')
      mustBeFree(peer, 'peer')
      await this.#write([port, { peer: peerId }], [peer, { peer: id }])
    })
  }

  /** Takes both ends of a link apart; throws 404. */
  unlink(id: string): Promise<void> {
    return this.#again(async reader => {
      const port = await portOf(reader, id)
      const peerId = port.value.peer
      if (typeof peerId !== 'string') throw notFound('link of port', id)
      const peer = await reader.read('port', peerId)
      const gone = { peer: undefined }
      if (peer?.value.peer === id) await this.#write([port, gone], [peer, gone])
      else await this.#write([port, gone])
    })
  }

  /** A port's binding; throws 404. */
  async binding(id: string): Promise<Binding> {
    const binding = bindingOf(await portOf(this.#store, id))
    if (binding === undefined) throw notFound('binding of port', id)
    return binding
  }

  /**
   * Binds a free port, or takes one over from the host that is named.  A port that is free may
   * have been on the host that is named; where none is, on the one that had it last.
   */
  bind(id: string, to: BindingPut, expected: Expected): Promise<Binding> {
    const { previousHost } = to
    return this.#place(id, to, expected, port => {
      const { host } = port.value
      if (host !== undefined && host === previousHost) return
      mustBeFree(port, 'id')
    })
  }

  /** Moves a bound port, wherever it is now unless the host is named: of two moves, the later. */
  move(id: string, to: BindingPut, expected: Expected): Promise<Binding> {
    return this.#place(id, to, expected, port => {
      const { host } = port.value
      if (host === undefined) throw notFound('binding of port', id)
      mustBeOn(port, 'previousHost', to.previousHost)
    })
  }

  /** `host`: refused unless the port is bound there. */
  unbind(id: string, host: string | undefined, expected: Expected): Promise<void> {
    return this.#again(async reader => {
      const port = await portOf(reader, id)
      mustBeAt(port, expected)
      const bound = bindingOf(port)
      if (bound === undefined) throw notFound('binding of port', id)
      mustBeOn(port, 'host', host)
      const gone = { host: undefined, interface: undefined, previousHost: bound.host }
      await this.#write([port, gone])
    })
  }

  async #place(
    id: string,
    to: BindingPut,
    expected: Expected,
    allow: (port: Versioned) => void
  ): Promise<Binding> {
    await this.#again(async reader => {
      const port = await portOf(reader, id)
      await this.#mustExist(reader, to)
      mustBeAt(port, expected)
      const { host, interface: name } = port.value
      if (host === to.host && name === to.interface) return
      allow(port)
      await mustBeUnused(reader, to.host, to.interface)
      await this.#write([port, placed(port, to)])
    })
    return bindingOf(await portOf(this.#store.known, id)) ?? { port: id, ...to }
  }

  /** All bindings, or those of one host. */
  async *bindings(host: string | undefined): AsyncGenerator<Binding> {
    const index = host === undefined ? [] : [{ field: 'host', value: host }]
    for await (const port of this.#store.list('port', ...index)) {
      const binding = bindingOf(port)
      if (binding !== undefined) yield binding
    }
  }

  /** The port bound to an interface of a host. */
  boundTo(host: string, name: string): Promise<Versioned | undefined> {
    return boundTo(this.#store, host, name)
  }

  // First by what is known here: what is written names versions, and nobody is asked in vain. Then,
  // if it was refused or somebody wrote in between, by what is there.
  async #again<T>(attempt: (reader: Reads) => Promise<T>): Promise<T> {
    for (let n = 0; ; n++)
      try {
        return await attempt(n === 0 ? this.#store.known : new RequestReader(this.#store))
      } catch (error) {
        const isOld = n === 0 && !isFailure(error, 'STORE_UNAVAILABLE')
        if (!isOld && (!isFailure(error, 'CONFLICT') || n >= ATTEMPTS_MAX)) throw error
      }
  }

  // An agent that reports its interfaces knows better than the client; one that is away does not.
  async #mustExist(
    reader: Reads,
    { host, interface: name, previousHost }: BindingPut
  ): Promise<void> {
    for (const [field, value] of Object.entries({ host, previousHost }))
      if (value !== undefined && (await reader.read('host', value)) === undefined)
        throw invalid([{ field, value, expected: 'the id of a host that exists' }])
    const there = await this.#agents.interfaces(host).catch(unlessAway)
    if (there === undefined) return
    const found = there.find(each => each.name === name)
    if (found !== undefined && found.refusal === null) return
    if (found !== undefined) {
      const expected = `an interface that may be bound: ${found.refusal}`
      throw invalid([{ field: 'interface', value: name, expected }])
    }
    const all = there.map(each => each.name).filter(each => !isOwn(each))
    const names = all.slice(0, NAMES_LISTED)
    const more = all.length > names.length ? ', …' : ''
    const expected = `an interface of that host; there are ${names.join(', ') || 'none'}${more}`
    throw invalid([{ field: 'interface', value: name, expected }])
  }

  async #write(...edits: [Versioned, Readonly<Record<string, unknown>>][]): Promise<void> {
    await this.#store.write(
      edits.map(([{ value, version }, edit]) => {
        const after: Stored = { ...value, ...edit }
        return { op: 'update', kind: 'port', value: after, version }
      })
    )
  }
}

const NAMES_LISTED = 16

function bindingOf({ id, value }: Versioned): Binding | undefined {
  const { host, interface: name, previousHost } = value
  if (typeof host !== 'string' || typeof name !== 'string') return undefined
  const before = typeof previousHost === 'string' ? { previousHost } : {}
  return { port: id, host, interface: name, ...before }
}

// Who has the state of the port's flows: the host it leaves, else the one that is named, else the
// one it left last.  Itself when the port comes back, so that there is nobody to ask.
function placed({ value }: Versioned, to: BindingPut): Readonly<Record<string, unknown>> {
  const { host, interface: name } = to
  const stays = value.host === host
  const before = stays ? value.previousHost : (value.host ?? to.previousHost ?? value.previousHost)
  return { host, interface: name, previousHost: before === host ? undefined : before }
}

function mustBeAt(port: Versioned, expected: Expected): void {
  if (expected !== undefined && !expected.versions.includes(port.version))
    throw precondition('port', port.id, port.version, expected.text)
}

function mustBeOn({ value }: Versioned, field: string, host: string | undefined): void {
  if (host === undefined || value.host === host) return
  const expected = `host ${value.host}: the port is bound there now`
  throw conflict({ field, value: host, expected })
}

function mustBeFree(port: Versioned, field: string): void {
  const fault = busy(port, field)
  if (fault !== undefined) throw conflict(fault)
}

function busy({ id, value }: Versioned, field: string): Fault | undefined {
  if (value.peer !== undefined)
    return { field, value: id, expected: `a free port; this one is linked to ${value.peer}` }
  if (value.host === undefined) return undefined
  const where = `interface ${value.interface} of host ${value.host}`
  return { field, value: id, expected: `a free port; this one is bound to ${where}` }
}

type Reads = Pick<Store, 'read' | 'list'>

async function portOf(reader: Pick<Store, 'read'>, id: string): Promise<Versioned> {
  const port = await reader.read('port', id)
  if (port === undefined) throw notFound('port', id)
  return port
}

async function boundTo(reader: Reads, host: string, name: string): Promise<Versioned | undefined> {
  for await (const port of reader.list('port', { field: 'host', value: host }))
    if (port.value.interface === name) return port
  return undefined
}

async function mustBeUnused(reader: Reads, host: string, name: string): Promise<void> {
  const other = await boundTo(reader, host, name)
  if (other === undefined) return
  const expected = `a free interface; port ${other.id} is bound to this one`
  throw conflict({ field: 'interface', value: name, expected })
}

// Whoever cannot be asked is as good as away.
function unlessAway(error: unknown): undefined {
  if (refusalOf(error)?.status !== 503) throw error
}
