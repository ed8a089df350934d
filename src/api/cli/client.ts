// The command line's side of the REST API: requests, whole lists over all their pages, and the
// three ways a command can fail, each with an exit code of its own.

import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { visible } from '../../core/visible.ts'

export const Exit = { ok: 0, refused: 1, usage: 2, unreachable: 3 } as const

export class Failure extends Error {
  readonly exit: number

  constructor(exit: number, message: string) {
    super(message)
    this.exit = exit
  }
}

export const usage = (message: string): Failure => new Failure(Exit.usage, message)

interface Reply {
  readonly status: number
  readonly next: string | undefined // path of the rest of a list
  readonly text: string
}

export type Item = Readonly<Record<string, unknown>> & { readonly id: string }

const TIMEOUT_MS = 30_000
const REPLY_MAX = 64 * 1024 * 1024
const PAGES_MAX = 1000

export class Client {
  readonly #base: URL
  readonly #token: string | undefined

  constructor(base: string, token: string | undefined) {
    const url = URL.canParse(base) ? new URL(base) : undefined
    if (url === undefined || !/^https?:$/.test(url.protocol))
      throw usage(`--api is "${base}"; expected a URL such as http://127.0.0.1:8181`)
    this.#base = url
    this.#token = token
  }

  async get<T>(path: string): Promise<T> {
    return JSON.parse((await this.#accepted('GET', path)).text) as T
  }

  /** Whether the server has something there. */
  async offers(path: string): Promise<boolean> {
    return (await this.#request('GET', path, undefined)).status !== 404
  }

  async text(path: string): Promise<string> {
    return (await this.#accepted('GET', path)).text
  }

  async all<T = Item>(path: string): Promise<T[]> {
    const items: T[] = []
    let at: string | undefined = path
    for (let page = 0; at !== undefined && page < PAGES_MAX; page++) {
      const reply: Reply = await this.#accepted('GET', at)
      items.push(...(JSON.parse(reply.text) as T[]))
      at = reply.next
    }
    return items
  }

  async send<T = Item>(method: string, path: string, body?: unknown): Promise<T | undefined> {
    const { text } = await this.#accepted(method, path, body)
    return text === '' ? undefined : (JSON.parse(text) as T)
  }

  async #accepted(method: string, path: string, body?: unknown): Promise<Reply> {
    const reply = await this.#request(method, path, body)
    if (reply.status < 400) return reply
    throw new Failure(Exit.refused, refusalText(reply))
  }

  #request(method: string, path: string, body: unknown): Promise<Reply> {
    const url = new URL(this.#base.pathname.replace(/\/$/, '') + path, this.#base)
    const text = body === undefined ? undefined : JSON.stringify(body)
    const headers = {
      accept: 'application/json',
      ...(this.#token !== undefined && { authorization: `Bearer ${this.#token}` }),
      ...(text !== undefined && { 'content-type': 'application/json' }),
      ...(text !== undefined && { 'content-length': Buffer.byteLength(text) })
    }
    const start = url.protocol === 'https:' ? httpsRequest : httpRequest
    return new Promise((done, failed) => {
      const unreachable = (error: Error): void =>
        failed(new Failure(Exit.unreachable, `${this.#base.origin} ${reason(error)}`))
      const signal = AbortSignal.timeout(TIMEOUT_MS)
      const sent = start(url, { method, headers, agent: false, signal }, response => {
        replyOf(response).then(done, unreachable)
      })
      sent.on('error', unreachable)
      sent.end(text)
    })
  }
}

async function replyOf(response: IncomingMessage): Promise<Reply> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of response) {
    chunks.push(chunk as Buffer)
    length += (chunk as Buffer).length
    if (length > REPLY_MAX) throw new Error('its answer has no end')
  }
  const next = /<([^>]+)>; rel="next"/.exec(String(response.headers.link ?? ''))?.[1]
  const text = Buffer.concat(chunks).toString('utf8')
  return { status: response.statusCode ?? 0, next, text }
}

function reason(error: Error & { code?: string }): string {
  if (error.code === 'ECONNREFUSED') return 'does not answer: is Mezzo running?'
  if (error.name === 'TimeoutError') return `does not answer within ${TIMEOUT_MS / 1000} s`
  return `cannot be reached: ${error.message}`
}

interface Refused {
  readonly error?: {
    readonly message?: string
    readonly faults?: readonly { field: string; value: unknown; expected: string }[]
  }
}

// One line a fault; the sentence when there are none.
function refusalText({ status, text }: Reply): string {
  try {
    const { error } = JSON.parse(text) as Refused
    const faults = (error?.faults ?? []).map(({ field, value, expected }) => {
      const is = value === null ? 'is missing' : `is ${JSON.stringify(value)}`
      return `${field} ${is}; expected ${expected}`
    })
    if (faults.length > 0) return faults.map(visible).join('\n')
    if (error?.message !== undefined) return visible(error.message)
  } catch {
    // Not one of ours: a proxy's page, perhaps.
  }
  return `the server answers with status ${status}`
}
