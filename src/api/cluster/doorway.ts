// Where other hosts ask this one: TLS with the cluster's key, on an address of its own, and nothing
// there but questions about the hosts of this process.  None is passed on to a third.
// test/zookeeper/one-api.test.ts holds it.

import type { FastifyInstance } from 'fastify'
import type { Counter, Counters } from '../../core/counters.ts'
import type { Log } from '../../core/log.ts'
import type { AgentsView } from '../agents.ts'
import { Connections } from '../http/connections.ts'
import { newHttp } from '../http/http.ts'
import { type Listener, listen, type TcpAddress } from '../http/listener.ts'
import { Refusal } from '../http/refusal.ts'
import { secure } from '../http/security.ts'
import { IDENTITY, TLS } from './credential.ts'
import { answerOf, type EffectOf } from './questions.ts'

/** What it is made of. */
export interface DoorwayParts {
  /** The hosts of this process, and no others. */
  readonly agents: AgentsView
  /** What the routes of plugins do. */
  readonly effectOf: EffectOf
  /** The cluster's; undefined: not known, so nobody is let in. */
  readonly key: () => Buffer | undefined
  readonly counters: Counters
  readonly log: Log
}

const HANDSHAKE_MS = 5_000

/** Answers the questions of other hosts. */
export class Doorway {
  readonly #parts: DoorwayParts
  readonly #app: FastifyInstance
  readonly #refused: Counter
  readonly #connections: Connections
  #listener: Listener | undefined

  constructor(parts: DoorwayParts) {
    this.#parts = parts
    const { agents, effectOf, counters, log } = parts
    const answered = counters.claim('cluster.answered', 'Questions of other hosts answered')
    this.#refused = counters.claim('cluster.refused', "Connections without the cluster's secret")
    this.#app = newHttp(log)
    this.#connections = new Connections(this.#app, counters, 'cluster') // before any other hook
    secure(this.#app, undefined, true)
    this.#app.setNotFoundHandler(() => {
      throw new Refusal({ status: 404, code: 'NOT_FOUND', message: 'there is nothing here' })
    })
    this.#app.post<{ Params: { host: string; topic: string } }>(
      '/hosts/:host/:topic',
      async request => {
        const { host, topic } = request.params
        if ((await agents.host(host)) === undefined) throw elsewhere(host)
        const answer = await answerOf(agents, effectOf, { host, topic, details: request.body })
        answered.value++
        return { answer: answer ?? null }
      }
    )
  }

  /** Where it listens; undefined: nowhere. */
  get address(): string | undefined {
    return this.#listener?.url.replace('https://', '')
  }

  /** Listens there, and nowhere else. Throws UNAVAILABLE when it cannot. */
  async open(at: TcpAddress): Promise<void> {
    await this.#app.ready()
    await this.#shut()
    const { log, key } = this.#parts
    const pskCallback = (_: unknown, identity: string): Buffer | null =>
      identity === IDENTITY ? (key() ?? null) : null
    const tls = { ...TLS, pskCallback, handshakeTimeout: HANDSHAKE_MS }
    this.#listener = await listen(at, this.#app.routing, tls)
    const { server, url } = this.#listener
    this.#connections.watch(server)
    server.on('tlsClientError', error => {
      this.#refused.value++
      log.debug({ err: error }, 'a connection without the secret of the cluster')
    })
    log.info({ url }, 'other hosts may ask')
  }

  /** Listens no more. */
  async close(): Promise<void> {
    await this.#shut()
    await this.#app.close()
  }

  async #shut(): Promise<void> {
    const before = this.#listener
    this.#listener = undefined
    await before?.close()
  }
}

// RFC 9110, section 15.5.20: whoever asked has an address that is another host's by now.
const elsewhere = (host: string): Refusal =>
  new Refusal({ status: 421, code: 'NOT_FOUND', message: `host ${host.slice(0, 64)} is not here` })
