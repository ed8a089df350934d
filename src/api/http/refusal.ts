// Every way a request can be refused, in one shape: { error: { code, message, faults } }.  A fault
// names the field, the value that came and what was expected.  What is not a refusal is our own
// mistake: it answers 500 and says no more than where the log has the rest.
// test/api/errors.test.ts holds it.

import { type ErrorCode, isFailure, type MezzoError, show } from '../../core/errors.ts'
import { isSecretName } from '../../core/log.ts'
import type { Fault } from '../../topology/model.ts'
import { faultsOf } from '../../topology/validation.ts'

/** The body of every answer that refuses. */
export interface ErrorBody {
  /** What was wrong: a code for programs, a sentence for people, each field that is at fault. */
  readonly error: {
    readonly code: string
    readonly message: string
    readonly faults: readonly { field: string; value: unknown; expected: string }[]
  }
}

// Codes of HTTP's own; the others are those of core/errors.ts.
type HttpCode = 'NOT_ALLOWED' | 'PRECONDITION' | 'TOO_BIG' | 'TOO_OFTEN' | 'TIMEOUT' | 'INTERNAL'

interface Reason {
  readonly status: number
  readonly code: ErrorCode | HttpCode
  readonly message: string
  readonly faults?: readonly Fault[]
  readonly headers?: Readonly<Record<string, string>>
}

/** A request that is refused, with its HTTP status. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  /** HTTP status. */
  readonly status: number
  /** For programs. */
  readonly code: string
  readonly faults: readonly Fault[]
  /** Headers of the answer. */
  readonly headers: Readonly<Record<string, string>>

  constructor({ status, code, message, faults = [], headers = {} }: Reason) {
    super(message)
    this.status = status
    this.code = code
    this.faults = faults
    this.headers = headers
  }

  /** What is answered; of many faults the first. */
  get body(): ErrorBody {
    const faults = this.faults.slice(0, FAULTS_MAX).map(fault => ({
      field: fault.field,
      value: shown(fault),
      expected: fault.expected
    }))
    return { error: { code: this.code, message: this.message, faults } }
  }
}

const FAULTS_MAX = 32
const VALUE_LENGTH_MAX = 200
const VALUES_LISTED = 3

/** 400: the request can never be right as it is. */
export function invalid(faults: readonly Fault[]): Refusal {
  const sentences = faults.slice(0, VALUES_LISTED).map(sentenceOf)
  const rest = faults.length - sentences.length
  const message = sentences.join('; ') + (rest > 0 ? `; and ${rest} more` : '')
  return new Refusal({ status: 400, code: 'INVALID', message, faults })
}

/** 409: the request would be right if something else were not so. */
export const conflict = (fault: Fault): Refusal =>
  new Refusal({ status: 409, code: 'CONFLICT', message: sentenceOf(fault), faults: [fault] })

/** 404 for an object that does not exist. */
export const notFound = (kind: string, id: string): Refusal =>
  new Refusal({
    status: 404,
    code: 'NOT_FOUND',
    message: `${kind} ${cut(id)} does not exist`,
    faults: [{ field: 'id', value: id, expected: `the id of a ${kind} that exists` }]
  })

/** 412: the client has seen another version than the one that is. */
export function precondition(kind: string, id: string, actual: number, sent: string): Refusal {
  const expected = `"${actual}", the version that ${kind} ${id} has now`
  const fault = { field: 'If-Match', value: sent, expected }
  return new Refusal({
    status: 412,
    code: 'PRECONDITION',
    message: sentenceOf(fault),
    faults: [fault]
  })
}

function sentenceOf({ field, value, expected }: Fault): string {
  if (value === undefined) return `${field} is missing; expected ${expected}`
  return `${field} is ${isSecretName(field) ? 'hidden' : show(value)}; expected ${expected}`
}

// What is absent shows as null; what is long is cut; what is secret is not told back.
function shown({ field, value }: Fault): unknown {
  if (value === undefined) return null
  if (isSecretName(field)) return '[hidden]'
  const text = show(value)
  return text.length < VALUE_LENGTH_MAX ? value : text
}

const cut = (text: string): string => (text.length > 80 ? `${text.slice(0, 80)}…` : text)

// ---- what others throw

/** What a client is told about anything thrown; undefined: a mistake of ours. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (error instanceof Refusal) return error
  if (isFailure(error)) return ofStore(error)
  return error instanceof Error && 'statusCode' in error ? ofHttp(error) : undefined
}

const statuses: Partial<Record<ErrorCode, number>> = {
  INVALID: 400,
  MISSING_REFERENCE: 400,
  UNSUPPORTED: 400,
  NOT_FOUND: 404,
  EXISTS: 409,
  REFERENCED: 409,
  CONFLICT: 409,
  LIMIT: 503,
  STORE_UNAVAILABLE: 503,
  UNAVAILABLE: 503,
  AGENT_GONE: 503
}

function ofStore(error: MezzoError): Refusal | undefined {
  const { code, message, params } = error
  const faults = faultsOf(error)
  if (code === 'INVALID' && faults.length > 0) return invalid(faults)
  const status = statuses[code]
  if (status === undefined) return undefined
  return new Refusal({ status, code, message, faults: storeFaults(code, params) })
}

function storeFaults(code: ErrorCode, params: MezzoError['params']): Fault[] {
  const { id, field, value, by, kind } = params
  if (code === 'MISSING_REFERENCE' && typeof field === 'string')
    return [{ field, value, expected: 'the id of an object that exists' }]
  if (code === 'INVALID')
    return [{ field: String(field), value, expected: String(params.expected) }]
  if (code === 'REFERENCED')
    return [{ field: 'id', value: id, expected: `a ${kind} nobody uses; ${by} does` }]
  return code === 'EXISTS' ? [taken(String(kind), String(id))] : []
}

// The store says `with name "br1" (wanted for …, taken by …)` of a value that must be unique.
function taken(kind: string, id: string): Fault {
  const [, field, value, rest] = /^with (\S+) (.+) \((.+)\)$/.exec(id) ?? []
  if (field === undefined) return { field: 'id', value: id, expected: `an id no ${kind} has` }
  const by = /taken by (\S+)$/.exec(rest ?? '')?.[1]
  const owner = by === undefined ? '' : `; ${kind} ${by} has this one`
  // Of several fields that no two objects share together the last is the one to change.
  const fields = field.split(',')
  const values = parsed(`[${value}]`)
  const beside = fields.slice(0, -1).map((name, i) => `${name} ${show(values[i])}`)
  const together = beside.length === 0 ? '' : ` with ${beside.join(' and ')}`
  const expected = `one that no other ${kind} has${together}${owner}`
  return { field: fields.at(-1)!, value: values.at(-1), expected }
}

function parsed(text: string): readonly unknown[] {
  try {
    return JSON.parse(text) as unknown[]
  } catch {
    return [text]
  }
}

const INTERNAL_STATUS = 500

// Errors of fastify carry a status; each becomes one of ours.
function ofHttp(error: Error & { statusCode?: unknown; code?: unknown }): Refusal | undefined {
  const status = Number(error.statusCode)
  if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') return tooBig()
  if (error.code === 'FST_ERR_HANDLER_TIMEOUT')
    return new Refusal({ status: 503, code: 'TIMEOUT', message: 'this took too long' })
  if (error.code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return unsupportedType()
  if (!(status >= 400 && status < INTERNAL_STATUS)) return undefined
  if (status === 404) return new Refusal({ status, code: 'NOT_FOUND', message: error.message })
  const isBody = String(error.code).startsWith('FST_ERR_CTP') || error instanceof SyntaxError
  const field = isBody ? 'body' : 'path'
  const expected = isBody ? 'JSON' : 'a path of GET /openapi.json'
  const faults = [{ field, value: cut(error.message), expected }]
  return new Refusal({ status: 400, code: 'INVALID', message: `the ${field} is not valid`, faults })
}

/** Bytes of a request's body. */
export const BODY_MAX = 1024 * 1024

function tooBig(): Refusal {
  const message = `the body is too big; expected at most ${BODY_MAX} bytes`
  const expected = `at most ${BODY_MAX} bytes`
  const faults = [{ field: 'body', value: undefined, expected }]
  return new Refusal({ status: 400, code: 'TOO_BIG', message, faults })
}

function unsupportedType(): Refusal {
  const expected = 'application/json'
  const faults = [{ field: 'Content-Type', value: undefined, expected }]
  const message = `the body's type is not supported; expected ${expected}`
  return new Refusal({ status: 415, code: 'UNSUPPORTED', message, faults })
}
