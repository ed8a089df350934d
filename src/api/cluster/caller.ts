// Asks another host, within a time: it answers, or it is a refusal that names it and says why.
// test/zookeeper/one-api.test.ts holds it.

import { type RequestOptions, request } from 'node:https'
import type { ConnectionOptions } from 'node:tls'
import type { Clock } from '../../core/clock.ts'
import type { Counter, Counters } from '../../core/counters.ts'
import { type ErrorCode, reasonOf } from '../../core/errors.ts'
import type { TcpAddress } from '../http/listener.ts'
import { type ErrorBody, Refusal } from '../http/refusal.ts'
import { IDENTITY, TLS } from './credential.ts'
import type { Details, Topic } from './questions.ts'

/** A host that is asked. */
export interface Asked {
  readonly id: string
  readonly name: string
  /** Where it listens. */
  readonly at: TcpAddress
}

/** What asking needs. */
export interface CallerParts {
  readonly clock: Clock
  /** The cluster's; undefined: not known yet. */
  readonly key: () => Buffer | undefined
  readonly counters: Counters
}

/** From the connection to the last byte of the answer. */
export const ANSWER_MS = 5_000
const BYTES_MAX = 8 << 20
const ASKS_MAX = 64
const MISDIRECTED = 421

/** Asks other hosts. */
export class Caller {
  readonly #parts: CallerParts
  readonly #asked: Counter
  readonly #failed: Counter
  #underWay = 0

  constructor(parts: CallerParts) {
    this.#parts = parts
    const { counters } = parts
    this.#asked = counters.claim('cluster.asked', 'Questions that other hosts were asked')
    this.#failed = counters.claim('cluster.unanswered', 'Of them, those without an answer')
  }

  /**
   * The answer; throws what the host refuses, or 503 naming it.  It is asked once: of what changes
   * something there the 503 says so when it may have been done.
   */
  async ask<T extends Topic>(
    host: Asked,
    topic: T,
    details: Details<T>,
    changes = false
  ): Promise<unknown> {
    const psk = this.#parts.key()
    if (psk === undefined) throw away(host, 'the secret of the cluster is not known here yet')
    if (this.#underWay >= ASKS_MAX) throw away(host, `${ASKS_MAX} others are being asked already`)
    this.#asked.value++
    this.#underWay++
    let wasSent = false
    const sent = (): void => {
      wasSent = true
    }
    try {
      const { status, text } = await this.#send(host, topic, JSON.stringify(details), psk, sent)
      return readAnswer(host, status, text)
    } catch (error) {
      if (error instanceof Refusal && error.status !== 503) throw error
      this.#failed.value++
      if (error instanceof Refusal) throw error
      const isOpen = changes && wasSent ? '; whether it was done there is not known' : ''
      throw away(host, `${reasonOf(error)}${isOpen}`)
    } finally {
      this.#underWay--
    }
  }

  #send(
    { id, at: { host, port } }: Asked,
    topic: Topic,
    body: string,
    psk: Buffer,
    sent: () => void
  ): Promise<{ status: number; text: string }> {
    const { clock } = this.#parts
    return new Promise((done, failed) => {
      const how: RequestOptions & ConnectionOptions = {
        ...{ host, port, method: 'POST', path: `/hosts/${id}/${topic}`, agent: false, ...TLS },
        pskCallback: () => ({ psk, identity: IDENTITY }),
        checkServerIdentity: () => undefined, // who has the key is of the cluster
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
      }
      const asked = request(how)
      const late = clock.after(ANSWER_MS, () =>
        asked.destroy(new Error(`no answer within ${ANSWER_MS / 1000} s`))
      )
      const end = (error: Error): void => {
        late.cancel()
        failed(new Error(`${host}:${port}: ${error.message.trim()}`, { cause: error }))
      }
      asked.on('error', end)
      asked.on('socket', socket => socket.once('secureConnect', sent))
      asked.on('response', response => {
        const parts: Buffer[] = []
        let size = 0
        response.on('data', (part: Buffer) => {
          size += part.length
          if (size > BYTES_MAX) asked.destroy(new Error(`more than ${BYTES_MAX} bytes`))
          else parts.push(part)
        })
        response.on('error', end)
        response.on('end', () => {
          late.cancel()
          done({ status: response.statusCode ?? 0, text: Buffer.concat(parts).toString() })
        })
      })
      asked.end(body)
    })
  }
}

/** 503 for a host that cannot be asked. */
export const away = ({ id, name }: { id: string; name: string }, reason: string): Refusal =>
  new Refusal({
    status: 503,
    code: 'UNAVAILABLE',
    message: `host ${name} (${id}) does not answer: ${reason}`,
    faults: [{ field: 'id', value: id, expected: 'a host whose agent is alive; see /hosts' }]
  })

function readAnswer(host: Asked, status: number, text: string): unknown {
  const said = JSON.parse(text) as { answer?: unknown } & Partial<ErrorBody>
  if (status === 200) return said.answer
  const { code = 'UNAVAILABLE', message = `status ${status}`, faults = [] } = said.error ?? {}
  const isRefusal = status >= 400 && status < 500 && status !== MISDIRECTED
  if (!isRefusal) throw away(host, message)
  throw new Refusal({
    ...{ status, code: code as ErrorCode, faults },
    message: `host ${host.name}: ${message}`
  })
}
