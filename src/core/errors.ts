// Every error an operator or a client may see: one table from code to sentence. A room that
// needs a new error adds a row here; `{names}` in the sentence are its parameters, and the
// compiler asks for each of them. A sentence names the place, the value and what was expected.
// A packet's fault is never an error: it is a drop with a reason and a counter.

const sentences = {
  // assembly, at start
  MISSING_SERVICE: '{unit} needs {service}, which nobody provides',
  DUPLICATE_SERVICE: '{service} is provided by both {first} and {second}',
  DUPLICATE_UNIT: 'two plugins are called {unit}',
  CYCLE: 'a circle of needs: {path}',
  UNKEPT_PROMISE: '{unit} declares that it provides {service} but did not',
  SEALED: '{unit} asks the container for {service} after start; services are given at start only',
  STOP_FAILED: '{count} parts did not stop cleanly: {parts}',
  STOP_TIMEOUT: '{part} did not stop within {limitMs} ms',

  // configuration
  CONFIG_UNREADABLE: '{file} cannot be read: {reason}',
  CONFIG_NOT_JSON: '{file} is not JSON: {reason}',
  CONFIG_UNKNOWN_KEY: '{file}: {key} is not a setting (its value is {value}); expected {expected}',
  CONFIG_WRONG_TYPE: '{file}: {key} is {value}; expected {expected}',
  CONFIG_MISSING_KEY: '{file}: {key} is missing; expected {expected}',
  CONFIG_MISSING_PLUGIN:
    '{file}: {key} names a plugin that does not exist (its value is {value}); expected {expected}',

  // store and models
  PLUGIN_UNREADABLE: 'the plugin {file} cannot be loaded: {reason}',
  NOT_FOUND: '{kind} {id} does not exist',
  EXISTS: '{kind} {id} exists already',
  CONFLICT: '{kind} {id} has version {actual}, not {expected}: somebody changed it meanwhile',
  REFERENCED: '{kind} {id} is still used by {by}',
  MISSING_REFERENCE: '{kind} {id}: {field} names {value}, which does not exist',
  INVALID: '{field} is {value}; expected {expected}',
  STORE_UNAVAILABLE: 'the store is not available: {reason}',
  STORE_FILE: '{path} cannot be used as a store: {reason}',
  STORE_FOREIGN:
    'the store {path} is {how}; the kernel forwards by {other} (pins in {pins}), and ' +
    'goes on. Put that one back, or start once with --set store.mayBeNew=true to serve this one',
  SESSION_LOST: 'session {session} has ended: its entries and leases are gone',

  // api
  UNAUTHORISED: 'this request needs a valid token',
  FORBIDDEN: '{action} is not allowed for {who}',
  UNSUPPORTED: '{what} is not supported; expected {expected}',

  // agents
  AGENT_START: 'the agent of host {host} did not start: {reason}',
  SEAT_TAKEN:
    'host {name} ({id}) has an agent already: {who}. A second one is refused; a machine of its ' +
    'own needs an id of its own: see host.idFile',
  NAME_TAKEN: 'host {name} ({id}) is another machine already; give this one another host.name{how}',
  AGENT_GONE: 'the agent of host {host} does not run',

  // limits and lower rooms
  LIMIT: '{what} is full: its limit is {limit}',
  COUNTER_NAME: 'a counter cannot be called {name}; expected lower-case words with dots and dashes',
  COUNTER_KIND: 'counter {name} is a {actual} already; it cannot be a {expected}',
  UNAVAILABLE: '{what} is not available here: {reason}'
} as const

/** One of the table above. */
export type ErrorCode = keyof typeof sentences

type Names<S extends string> = S extends `${string}{${infer Name}}${infer Rest}`
  ? Name | Names<Rest>
  : never

/** The parameters that the sentence of a code asks for. */
export type ErrorParams<C extends ErrorCode> = {
  readonly [N in Names<(typeof sentences)[C]>]: string | number
}

// A sentence is read by a person and logged: a hostile value must not make it endless.
const VALUE_LENGTH_MAX = 200

/** An error with a code and a sentence of the table, to be shown to the user. */
export class MezzoError extends Error {
  override readonly name = 'MezzoError'
  readonly code: ErrorCode
  /** What was put into the sentence. */
  readonly params: Readonly<Record<string, string | number>>

  constructor(code: ErrorCode, params: Readonly<Record<string, string | number>>, cause?: unknown) {
    super(sentence(code, params), cause === undefined ? undefined : { cause })
    this.code = code
    this.params = params
  }
}

/** An error to throw: `throw fail('NOT_FOUND', { kind: 'bridge', id })`. */
export const fail = <C extends ErrorCode>(
  code: C,
  params: ErrorParams<C>,
  cause?: unknown
): MezzoError => new MezzoError(code, params, cause)

/** True for a MezzoError, of the given code when one is given. */
export const isFailure = (error: unknown, code?: ErrorCode): error is MezzoError =>
  error instanceof MezzoError && (code === undefined || error.code === code)

/** Whatever was thrown, as one line of text. */
export const reasonOf = (thrown: unknown): string =>
  thrown instanceof Error ? thrown.message : String(thrown)

/** A value as it appears in a sentence: JSON, cut where it becomes long. */
export function show(value: unknown): string {
  try {
    return cut(JSON.stringify(value, bigintAsText) ?? String(value))
  } catch {
    return `a ${typeof value}` // circular, or with a toJSON that throws
  }
}

const bigintAsText = (_: string, value: unknown): unknown =>
  typeof value === 'bigint' ? String(value) : value

function sentence(code: ErrorCode, params: Readonly<Record<string, string | number>>): string {
  return sentences[code].replace(/\{(\w+)\}/g, (_, name: string) => cut(String(params[name])))
}

const cut = (text: string): string =>
  text.length > VALUE_LENGTH_MAX ? `${text.slice(0, VALUE_LENGTH_MAX)}…` : text
