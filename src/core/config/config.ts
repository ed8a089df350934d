// Configuration: one JSON file per role, checked as a whole before anything starts. Settings are
// data: each room and plugin declares a section, and every setting in it has a default, a
// description, and its unit in its name. What comes out is complete and frozen; what is wrong is
// refused with file, key, value and expectation, and nothing has happened yet.
//   { "log": { "level": "debug" }, "plugins": { "bridge": { "macAgeMs": 60000 }, "router": {} } }
// `plugins` says which plugins a role runs; without it, all that there are.

import { readFileSync, statSync } from 'node:fs'
import Type, { type Static, type TObject, type TProperties } from 'typebox'
import { Value } from 'typebox/value'
import { fail, MezzoError, reasonOf, show } from '../errors.ts'
import { logLevels } from '../log.ts'
import { type Problem, problemsOf } from './schema.ts'

/** Settings by the room or plugin they belong to. */
export type Sections = Readonly<Record<string, TObject>>

/** What `loadConfig` gives: complete and frozen. */
export type Config<S extends Sections> = {
  readonly [K in keyof S]: Readonly<Static<S[K]>>
} & {
  /** The plugins of this role with their settings, in the order of the file. */
  readonly plugins: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

/** What a configuration is read from. */
export interface ConfigSource<S extends Sections> {
  /** Path of the JSON file. */
  readonly file: string
  /** The sections of the role that is configured. */
  readonly sections: S
  /** The plugins that there are, each with its section. */
  readonly plugins?: Sections
  /** Settings by path that win over the file: `{ 'store.path': ':memory:' }`. */
  readonly overrides?: Readonly<Record<string, unknown>>
}

const FILE_BYTES_MAX = 1 << 20
const UNITS = /(?:Ms|[a-z]S|Max|Min|Bytes|Mtu|Port|Per(?:cent|Mille|Second)|Count|Key|Metric)$/
const PLAIN = /^(?:mtu|port|seed)$/ // numbers whose name says it all

/**
 * A section of settings; with a description, a group of them within one. It throws while the
 * program is put together, not when a user starts it, if a setting has no description, no default
 * (unless it is optional), or a number names no unit.
 */
export function section<P extends TProperties>(settings: P, description?: string): TObject<P> {
  for (const [name, schema] of Object.entries(settings)) {
    const { description, default: value, type } = schema as Setting
    const isOptional = Type.IsOptional(schema)
    if (!description) throw new Error(`setting ${name} has no description`)
    if (value === undefined && !isOptional) throw new Error(`setting ${name} has no default`)
    const isNumber = type === 'integer' || type === 'number'
    if (isNumber && !UNITS.test(name) && !PLAIN.test(name))
      throw new Error(`setting ${name} is a number: end its name in a unit, as ${name}Ms`)
  }
  const about = description === undefined ? {} : { description }
  return Type.Object(settings, { additionalProperties: false, default: {}, ...about })
}

interface Setting {
  readonly description?: string
  readonly default?: unknown
  readonly type?: string
}

const Level = Type.Union(
  logLevels.map(level => Type.Literal(level)),
  { default: 'info', description: 'What is logged: this and worse' }
)

/** The settings of the log. */
export const logSection = section({
  level: Level,
  rooms: Type.Record(Type.String(), Type.Union(logLevels.map(level => Type.Literal(level))), {
    default: {},
    description: 'Rooms and plugins with a level of their own'
  })
})

/** Reads, checks and completes the configuration of a role. */
export function loadConfig<S extends Sections>(source: ConfigSource<S>): Config<S> {
  const { file, sections, plugins = {}, overrides = {} } = source
  const raw = readObject(file)
  // A file that names no plugins runs them all, also when an override sets one of them.
  const runsAll = !Object.hasOwn(raw, 'plugins')
  for (const [key, value] of Object.entries(overrides)) override(raw, key, value)
  const named = choosePlugins(file, raw, plugins)
  const chosen = runsAll ? plugins : named
  const schema = Type.Object(
    { ...sections, plugins: Type.Object(chosen, { additionalProperties: false, default: {} }) },
    { additionalProperties: false }
  )
  const config = Value.Default(schema, raw)
  const problem = problemsOf(schema, config)[0]
  if (problem !== undefined) throw refuse(file, problem, overrides)
  return freeze(config) as Config<S>
}

/** One section that a file must have, complete and frozen; the others are not looked at. */
export function loadSection<T extends TObject>(file: string, name: string, of: T): Static<T> {
  const schema = Type.Object({ [name]: of })
  const raw = readObject(file)
  if (!Object.hasOwn(raw, name))
    throw fail('CONFIG_MISSING_KEY', { file, key: name, expected: 'a section of settings' })
  const config = Value.Default(schema, { [name]: raw[name] })
  const problem = problemsOf(schema, config)[0]
  if (problem !== undefined) throw refuse(file, problem, {})
  return (freeze(config) as Record<string, Static<T>>)[name]!
}

/** Overrides as they come from a command line: `store.path=/tmp/x`, `api.port=0`. */
export function parseOverrides(settings: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    settings.map(setting => {
      const equals = setting.indexOf('=')
      if (equals <= 0)
        throw fail('INVALID', { field: 'a setting', value: show(setting), expected: 'key=value' })
      return [setting.slice(0, equals), jsonOrText(setting.slice(equals + 1))]
    })
  )
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function readObject(file: string): Record<string, unknown> {
  const text = readText(file)
  let raw: unknown
  try {
    raw = JSON.parse(text)
  } catch (error) {
    throw fail('CONFIG_NOT_JSON', { file, reason: reasonOf(error) }, error)
  }
  if (!isObject(raw))
    throw fail('CONFIG_WRONG_TYPE', {
      file,
      key: 'the whole file',
      value: show(raw),
      expected: 'an object of sections'
    })
  return raw
}

function readText(file: string): string {
  try {
    const { size } = statSync(file)
    if (size > FILE_BYTES_MAX)
      throw fail('LIMIT', { what: 'a configuration file', limit: FILE_BYTES_MAX })
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw fail('CONFIG_UNREADABLE', { file, reason: reasonOf(error) }, error)
  }
}

// Values are put in as own properties only: `__proto__.x` is an unknown key like any other.
function override(raw: Record<string, unknown>, key: string, value: unknown): void {
  const names = key.split('.')
  const last = names.pop()!
  let here = raw
  for (const name of names) {
    const below = Object.hasOwn(here, name) ? here[name] : undefined
    const next = isObject(below) ? below : {}
    if (next !== below) own(here, name, next)
    here = next
  }
  own(here, last, value)
}

function own(object: object, name: string, value: unknown): void {
  Object.defineProperty(object, name, {
    value,
    enumerable: true,
    configurable: true,
    writable: true
  })
}

function choosePlugins(file: string, raw: Record<string, unknown>, plugins: Sections): Sections {
  if (!isObject(raw.plugins)) return plugins
  const names = Object.keys(raw.plugins)
  for (const name of names)
    if (!Object.hasOwn(plugins, name))
      throw fail('CONFIG_MISSING_PLUGIN', {
        file,
        key: `plugins.${name}`,
        value: show(raw.plugins[name]),
        expected: `one of ${Object.keys(plugins).join(', ')}`
      })
  return Object.fromEntries(names.map(name => [name, plugins[name]!]))
}

function refuse(file: string, problem: Problem, overrides: object): MezzoError {
  const { kind, field, value, expected } = problem
  const code = (
    {
      unknown: 'CONFIG_UNKNOWN_KEY',
      missing: 'CONFIG_MISSING_KEY',
      wrong: 'CONFIG_WRONG_TYPE'
    } as const
  )[kind]
  const isOverride = Object.keys(overrides).some(key => `${field}.`.startsWith(`${key}.`))
  const where = isOverride ? `${file} with the settings of the command line` : file
  return new MezzoError(code, { file: where, key: field, value, expected })
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const part of Object.values(value)) freeze(part)
  }
  return value
}
