// The command line's side of the REST API: requests, whole lists over all their pages, and the
// three ways a command can fail, each with an exit code of its own. test/api/cli.test.ts holds it.

import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { visible } from '../../core/config/visible.ts'

/** Exit codes of the command. */
export const Exit = { ok: 0, refused: 1, usage: 2, unreachable: 3 } as const

/** Ends the command with a message. */
export class Failure extends Error {
  /** One of Exit. */
  readonly exit: number

  constructor(exit: number, message: string) {
    super(message)
    this.exit = exit
  }
}

/** The command was not understood. */
export const usage = (message: string): Failure => new Failure(Exit.usage, message)

interface Reply {
  readonly status: number
  readonly next: string | undefined // path of the rest of a list
  readonly text: string
  readonly warning: string | undefined
}

/** An object as the API gives it. */
export type Item = Readonly<Record<string, unknown>> & { readonly id: string }

interface Asked {
  readonly method: string
  readonly path: string
  readonly body?: unknown
  readonly patienceMs: number
}

const getOf = (path: string): Asked => ({ method: 'GET', path, patienceMs: PATIENCE_MS })

interface Place {
  readonly name: string
  readonly base: URL
  readonly socketPath?: string
}

function placeOf(text: string): Place {
  const socketPath = text.startsWith('unix:') ? text.slice('unix:'.length) : text
  if (socketPath.startsWith('/'))
    return { name: socketPath, base: new URL('http://localhost'), socketPath }
  const base = URL.canParse(text) ? new URL(text) : undefined
  if (base !== undefined && /^https?:$/.test(base.protocol)) return { name: base.origin, base }
  const expected = 'a URL such as http://127.0.0.1:8181, or the path of a socket'
  throw usage(`--api is "${text}"; expected ${expected}`)
}

const NO_TOKEN = 401
const NOT_WELL = 503
/** No route of an appliance takes longer to answer. */
const PATIENCE_MS = 60_000
const REPLY_MAX = 64 * 1024 * 1024
const PAGES_MAX = 1000

/** Talks to the API; every refusal becomes a Failure with the API's sentence. */
export class Client {
  #places: readonly Place[] // the first that answers is the one
  readonly #token: string | undefined
  #warning: string | undefined

  /** `places` are tried in their order. */
  constructor(places: readonly string[], token: string | undefined) {
    this.#places = places.map(placeOf)
    this.#token = token
  }

  /** What the server has warned of with its last answer. */
  get warning(): string | undefined {
    return this.#warning
  }

  /** The JSON at a path. */
  async get<T>(path: string): Promise<T> {
    return JSON.parse((await this.#accepted(getOf(path))).text) as T
  }

  /** Whether the server has something there. */
  async offers(path: string): Promise<boolean> {
    return (await this.#request(getOf(path))).status !== 404
  }

  /** The text at a path. */
  async text(path: string): Promise<string> {
    return (await this.#accepted(getOf(path))).text
  }

  /** All pages of a collection. */
  async all<T = Item>(path: string): Promise<T[]> {
    const items: T[] = []
    let at: string | undefined = path
    for (let page = 0; at !== undefined && page < PAGES_MAX; page++) {
      const reply: Reply = await this.#accepted(getOf(at))
      items.push(...(JSON.parse(reply.text) as T[]))
      at = reply.next
    }
    return items
  }

  /**
   * Sends a body; gives the JSON of the answer, undefined when it is empty. `patienceMs`: what it
   * asks for may take so long.
   */
  async send<T = Item>(
    method: string,
    path: string,
    body?: unknown,
    patienceMs = PATIENCE_MS
  ): Promise<T | undefined> {
    const { text } = await this.#accepted({ method, path, body, patienceMs })
    return text === '' ? undefined : (JSON.parse(text) as T)
  }

  /** What the server says of itself, be it that it is not well. */
  async report<T>(path: string): Promise<{ readonly isWell: boolean; readonly said: T }> {
    const reply = await this.#request(getOf(path))
    if (reply.status !== 200 && reply.status !== NOT_WELL)
      throw new Failure(Exit.refused, refusalText(reply))
    return { isWell: reply.status === 200, said: JSON.parse(reply.text) as T }
  }

  async #accepted(asked: Asked): Promise<Reply> {
    const reply = await this.#request(asked)
    if (reply.status < 400) return reply
    throw new Failure(Exit.refused, refusalText(reply))
  }

  async #request(asked: Asked): Promise<Reply> {
    const tried: string[] = []
    for (const place of this.#places)
      try {
        const reply = await this.#requestAt(place, asked)
        this.#places = [place]
        this.#warning = reply.warning
        return reply
      } catch (error) {
        if (error instanceof Failure) throw error
        if (!isAbsent(error) || this.#places.length === 1)
          throw new Failure(Exit.unreachable, `${place.name} ${reason(error as Error)}`)
        tried.push(place.name)
      }
    const all = `${tried.slice(0, -1).join(', ')} or ${tried.at(-1)}`
    throw new Failure(Exit.unreachable, `nobody answers at ${all}: is Mezzo running?`)
  }

  #requestAt(place: Place, { method, path, body, patienceMs }: Asked): Promise<Reply> {
    const { base, socketPath } = place
    const url = new URL(base.pathname.replace(/\/$/, '') + path, base)
    const text = body === undefined ? undefined : JSON.stringify(body)
    const headers = {
      accept: 'application/json',
      ...(this.#token !== undefined && { authorization: `Bearer ${this.#token}` }),
      ...(text !== undefined && { 'content-type': 'application/json' }),
      ...(text !== undefined && { 'content-length': Buffer.byteLength(text) })
    }
    const start = url.protocol === 'https:' ? httpsRequest : httpRequest
    return new Promise((done, failed) => {
      const signal = AbortSignal.timeout(patienceMs)
      const options = { method, headers, agent: false, signal, ...(socketPath && { socketPath }) }
      const sent = start(url, options, response => {
        replyOf(response).then(done, fails)
      })
      const late = `${place.name} does not answer within ${patienceMs / 1000} s`
      const fails = (error: Error): void =>
        failed(signal.aborted ? new Failure(Exit.unreachable, late) : error)
      sent.on('error', fails)
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
  // RFC 7234, section 5.5: a code, who warns, and the text in quotes.
  const warning = /^\d{3} \S+ "([^"]*)"/.exec(String(response.headers.warning ?? ''))?.[1]
  return { status: response.statusCode ?? 0, next, text, warning }
}

const isAbsent = (error: unknown): boolean =>
  /^(ENOENT|ECONNREFUSED)$/.test(String((error as NodeJS.ErrnoException).code))

function reason(error: Error & { code?: string }): string {
  if (error.code === 'EACCES') return 'is not for this user: try as root'
  if (error.code === 'ENOENT') return 'does not answer: there is no such socket'
  if (error.code === 'ECONNREFUSED') return 'does not answer: is Mezzo running?'
  return `cannot be reached: ${error.message}`
}

interface Refused {
  readonly error?: {
    readonly message?: string
    readonly faults?: readonly { field: string; value: unknown; expected: string }[]
  }
}

// One line a fault; the sentence when there are none, or when what was asked is not at fault.
function refusalText({ status, text }: Reply): string {
  try {
    const { error } = JSON.parse(text) as Refused
    if (status === NO_TOKEN && error?.message !== undefined)
      return `${visible(error.message)}: MEZZO_TOKEN, or MEZZO_TOKEN_FILE, a file with it`
    if (status === NOT_WELL && error?.message !== undefined) return visible(error.message)
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
