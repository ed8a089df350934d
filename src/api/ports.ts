// Links and bindings: what a port's other end is.  A link is written at both ports at once, a
// binding against the version that was read; so two clients cannot both win.  The fields behind
// them (peer, host, interface) are changed here and nowhere else.

import { isFailure } from '../core/errors.ts'
import type { Fault, Stored } from '../topology/model.ts'
import type { Store, Versioned } from '../topology/store.ts'
import type { AgentsView } from './agents.ts'
import type { Expected, Managed } from './objects.ts'
import { conflict, invalid, notFound, precondition } from './refusal.ts'

const LINK = 'POST /ports/{id}/link'
const BINDING = 'PUT /ports/{id}/binding'
export const managedFields: Managed = { port: { peer: LINK, host: BINDING, interface: BINDING } }

export interface Binding {
  readonly port: string
  readonly host: string
  readonly interface: string
}

const ATTEMPTS_MAX = 5

export class Ports {
  readonly #store: Store
  readonly #agents: AgentsView

  constructor(store: Store, agents: AgentsView) {
    this.#store = store
    this.#agents = agents
  }

  async peer(id: string): Promise<string> {
    const { value } = await this.#port(id)
    if (typeof value.peer !== 'string') throw notFound('link of port', id)
    return value.peer
  }

  link(id: string, peerId: string): Promise<void> {
    return again(async () => {
      const port = await this.#port(id)
      if (id === peerId)
        throw invalid([{ field: 'peer', value: peerId, expected: 'another port than this one' }])
      const peer = await this.#store.read('port', peerId)
      if (peer === undefined)
        throw invalid([{ field: 'peer', value: peerId, expected: 'the id of a port that exists' }])
      if (port.value.peer === peerId && peer.value.peer === id) return
      mustBeFree(port, 'id')
      mustBeFree(peer, 'peer')
      await this.#write([port, { peer: peerId }], [peer, { peer: id }])
    })
  }

  unlink(id: string): Promise<void> {
    return again(async () => {
      const port = await this.#port(id)
      const peerId = port.value.peer
      if (typeof peerId !== 'string') throw notFound('link of port', id)
      const peer = await this.#store.read('port', peerId)
      const gone = { peer: undefined }
      if (peer?.value.peer === id) await this.#write([port, gone], [peer, gone])
      else await this.#write([port, gone])
    })
  }

  async binding(id: string): Promise<Binding> {
    const binding = bindingOf(await this.#port(id))
    if (binding === undefined) throw notFound('binding of port', id)
    return binding
  }

  async bind(id: string, to: { host: string; interface: string }, expected: Expected) {
    await this.#port(id)
    await this.#mustExist(to.host, to.interface)
    await again(async () => {
      const port = await this.#port(id)
      if (expected !== undefined && !expected.versions.includes(port.version))
        throw precondition('port', id, port.version, expected.text)
      const { value } = port
      if (value.host === to.host && value.interface === to.interface) return
      mustBeFree(port, 'id')
      await this.#mustBeUnused(to.host, to.interface)
      await this.#write([port, to])
    })
  }

  unbind(id: string): Promise<void> {
    return again(async () => {
      const port = await this.#port(id)
      if (bindingOf(port) === undefined) throw notFound('binding of port', id)
      await this.#write([port, { host: undefined, interface: undefined }])
    })
  }

  async *bindings(host: string | undefined): AsyncGenerator<Binding> {
    const index = host === undefined ? [] : [{ field: 'host', value: host }]
    for await (const port of this.#store.list('port', ...index)) {
      const binding = bindingOf(port)
      if (binding !== undefined) yield binding
    }
  }

  /** The port bound to an interface of a host. */
  async boundTo(host: string, name: string): Promise<Versioned | undefined> {
    for await (const port of this.#store.list('port', { field: 'host', value: host }))
      if (port.value.interface === name) return port
    return undefined
  }

  async #port(id: string): Promise<Versioned> {
    const port = await this.#store.read('port', id)
    if (port === undefined) throw notFound('port', id)
    return port
  }

  // An agent that reports its interfaces knows better than the client; one that is away does not.
  async #mustExist(host: string, name: string): Promise<void> {
    if ((await this.#store.read('host', host)) === undefined)
      throw invalid([{ field: 'host', value: host, expected: 'the id of a host that exists' }])
    const there = await this.#agents.interfaces(host)
    if (there === undefined || there.some(each => each.name === name)) return
    const names = there.slice(0, NAMES_LISTED).map(each => each.name)
    const more = there.length > names.length ? ', …' : ''
    const expected = `an interface of that host; there are ${names.join(', ') || 'none'}${more}`
    throw invalid([{ field: 'interface', value: name, expected }])
  }

  async #mustBeUnused(host: string, name: string): Promise<void> {
    const other = await this.boundTo(host, name)
    if (other === undefined) return
    const expected = `a free interface; port ${other.id} is bound to this one`
    throw conflict({ field: 'interface', value: name, expected })
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
  const { host, interface: name } = value
  if (typeof host !== 'string' || typeof name !== 'string') return undefined
  return { port: id, host, interface: name }
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

async function again(attempt: () => Promise<void>): Promise<void> {
  for (let n = 1; ; n++)
    try {
      return await attempt()
    } catch (error) {
      if (!isFailure(error, 'CONFLICT') || n >= ATTEMPTS_MAX) throw error
    }
}
