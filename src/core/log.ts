// The log: one JSON line per event on standard error, by pino, with fields apart from the message.
// Packets are never logged; they have counters and traces. Whatever is named like a secret is
// masked before it is written, at any depth, so that no caller has to think of it.
//   log.warn({ port, reason }, 'binding refused')

import pino from 'pino'
import { MezzoError } from './errors.ts'
import { token } from './token.ts'

/** What a line says besides its message, by name. */
export type Fields = Readonly<Record<string, unknown>>

/** Lines of JSON with a level, for operators. No packet may cause a line of its own. */
export interface Log {
  /** For those who look for a fault. */
  debug(fields: Fields, message: string): void
  /** Something that is meant to happen, and seldom does. */
  info(fields: Fields, message: string): void
  /** Something is wrong, and the system goes on. */
  warn(fields: Fields, message: string): void
  /** Something is wrong, and somebody has to act. */
  error(fields: Fields, message: string): void
  /** A log whose every line carries these fields. */
  child(fields: Fields): Log
  /** The log of a room or plugin, at the level the configuration gives it. */
  room(name: string): Log
}
export const Log = token<Log>('log')

/** From the most lines to none. */
export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

/** What is logged: see `logSection`. */
export interface LogSettings {
  readonly level: LogLevel
  /** Rooms and plugins that speak more or less than the others. */
  readonly rooms?: Readonly<Record<string, LogLevel>>
}

/** Where lines go; standard error unless a test listens. */
export interface LogSink {
  /** Takes one line with its end. */
  write(line: string): void
}

/** The log of a process; of a room, `child`. */
export function openLog(settings: LogSettings, sink?: LogSink): Log {
  const options: pino.LoggerOptions = {
    level: settings.level,
    base: { pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: describeError, error: describeError },
    formatters: { level: label => ({ level: label }), log: mask }
  }
  // Synchronous: the last line before a crash is the one that is needed. There are few of them.
  const target = sink ?? pino.destination({ fd: 2, sync: true })
  return new PinoLog(pino(options, target), settings.rooms ?? {})
}

let silent: Log | undefined

/** A log that says nothing, for tests: one for all of them, as a world makes thousands of hosts. */
export const silentLog = (): Log => (silent ??= openLog({ level: 'silent' }, { write() {} }))

class PinoLog implements Log {
  readonly #pino: pino.Logger
  readonly #levels: Readonly<Record<string, LogLevel>>

  constructor(logger: pino.Logger, levels: Readonly<Record<string, LogLevel>>) {
    this.#pino = logger
    this.#levels = levels
  }

  debug(fields: Fields, message: string): void {
    this.#pino.debug(fields, message)
  }

  info(fields: Fields, message: string): void {
    this.#pino.info(fields, message)
  }

  warn(fields: Fields, message: string): void {
    this.#pino.warn(fields, message)
  }

  error(fields: Fields, message: string): void {
    this.#pino.error(fields, message)
  }

  child(fields: Fields): Log {
    // pino formats the fields of lines, not those of children.
    return new PinoLog(this.#pino.child(mask(fields)), this.#levels)
  }

  room(name: string): Log {
    const level = Object.hasOwn(this.#levels, name) ? this.#levels[name] : undefined
    const options = level === undefined ? {} : { level }
    return new PinoLog(this.#pino.child({ room: name }, options), this.#levels)
  }
}

const SECRET = /secret|passw|token|credential|authorization|private|^key$|[_-]key$/i
const SECRET_KEY = /[a-z0-9]Key$/
// Keys that are numbers on the wire, shown to everybody, and where a secret is kept: nothing is
// gained by hiding them.
const NO_SECRET = /^(tunnel|flow|public|sort|index)_?-?key$|file$/i

/** Whether a field of this name holds a secret. */
export const isSecretName = (name: string): boolean =>
  (SECRET.test(name) || SECRET_KEY.test(name)) && !NO_SECRET.test(name)

const MASK = '[hidden]'
const DEPTH_MAX = 6
const ITEMS_MAX = 100

const mask = (fields: object): Record<string, unknown> => maskFields(fields, 0)

function maskFields(fields: object, depth: number): Record<string, unknown> {
  const masked: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(fields))
    masked[name] = isSecretName(name) ? MASK : maskValue(value, depth + 1)
  return masked
}

function maskValue(value: unknown, depth: number): unknown {
  if (typeof value === 'bigint') return String(value)
  if (typeof value !== 'object' || value === null || value instanceof Error) return value
  if (depth >= DEPTH_MAX) return '[deep]'
  if ('toJSON' in value && typeof value.toJSON === 'function')
    return maskValue(value.toJSON(), depth + 1)
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`
  if (Array.isArray(value)) return value.slice(0, ITEMS_MAX).map(item => maskValue(item, depth + 1))
  return maskFields(value, depth)
}

// The parameters of an error stay out: its sentence is made to be read, they are not.
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const code = error instanceof MezzoError ? error.code : (error as NodeJS.ErrnoException).code
  const { name, message, stack } = error
  return { type: name, code, message, stack }
}
