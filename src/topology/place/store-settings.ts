// The settings of the store: where the topology lives.  One machine has it in a file; a cluster has
// it on ZooKeeper, with a copy of it on each machine.

import { readFileSync } from 'node:fs'
import { isIPv4, isIPv6 } from 'node:net'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import Type, { type Static } from 'typebox'
import { section } from '../../core/config/config.ts'
import { fail, reasonOf, show } from '../../core/errors.ts'
import type { StorePlace } from './store-place.ts'

const file = (description: string) => Type.Optional(Type.String({ minLength: 1, description }))

const zookeeper = section(
  {
    servers: Type.Array(Type.String({ minLength: 1 }), {
      default: [],
      maxItems: 16,
      description: 'those of the ensemble: address or name, with :port or without for 2181'
    }),
    chroot: Type.String({
      pattern: '^(/[A-Za-z0-9_.-]+)+$',
      default: '/mezzo',
      description: 'the node that all of the store is below'
    }),
    create: Type.Boolean({
      default: false,
      description: 'make a new store where there is none; else only `mezzo store init` does'
    }),
    sessionMs: Type.Integer({
      minimum: 1000,
      maximum: 60_000,
      default: 6_000,
      description: 'a process that is not heard of is taken for dead; the servers may change it'
    }),
    username: Type.Optional(
      Type.String({
        minLength: 1,
        pattern: '^[^:]+$',
        description: 'or MEZZO_ZOOKEEPER_USERNAME of the environment; nodes are for it alone'
      })
    ),
    passwordFile: file('file with the password; or MEZZO_ZOOKEEPER_PASSWORD of the environment'),
    tls: Type.Boolean({ default: false, description: 'encrypt, and check the certificates' }),
    caFile: file('certificates to trust, PEM; those of Node if absent'),
    certFile: file('our own certificate, PEM'),
    keyFile: file('and its key, PEM')
  },
  'the ensemble, when kind is zookeeper'
)

/** The settings of the store. */
export const storeSection = section({
  kind: Type.Union([Type.Literal('sqlite'), Type.Literal('zookeeper')], {
    default: 'sqlite',
    description: 'sqlite: a file of this machine; zookeeper: an ensemble that machines share'
  }),
  path: Type.String({
    minLength: 1,
    default: 'var/mezzo.db',
    description:
      "file of the embedded store; ':memory:' forgets at the end. With zookeeper, what the copy " +
      'of this machine is called after'
  }),
  mayBeNew: Type.Boolean({
    default: false,
    description: 'serve a store that pins and flow state of this machine do not belong to'
  }),
  zookeeper
})

type Settings = Static<typeof storeSection>

const PORT = 2181
const PORT_MAX = 65_535
const COPY = '-copy'

/** Where the store is.  Refuses, by name, what cannot be meant. */
export function storePlaceOf(
  settings: Settings,
  environment: NodeJS.ProcessEnv = process.env
): StorePlace {
  const { kind, path, zookeeper } = settings
  if (kind === 'sqlite') return { kind, path }
  const { servers, chroot, sessionMs, caFile, certFile, keyFile } = zookeeper
  if (servers.length === 0)
    throw refused('servers', servers, "at least one server, as '10.0.0.1:2181'")
  if ((certFile === undefined) !== (keyFile === undefined))
    throw refused(certFile === undefined ? 'certFile' : 'keyFile', undefined, 'both or neither')
  if (!zookeeper.tls)
    for (const [name, value] of Object.entries({ caFile, certFile, keyFile }))
      if (value !== undefined) throw refused(name, value, 'none without store.zookeeper.tls')
  return {
    kind,
    copyPath: path === ':memory:' ? path : `${path}${COPY}`,
    servers: servers.map(serverOf),
    chroot,
    sessionMs,
    must: zookeeper.create ? undefined : 'find',
    credentials: credentialsOf(zookeeper, environment),
    tls: zookeeper.tls ? tlsOf(zookeeper) : undefined
  }
}

function tlsOf({ caFile, certFile, keyFile }: Settings['zookeeper']): SecureContextOptions {
  const ca = read('caFile', caFile)
  const cert = read('certFile', certFile)
  const key = read('keyFile', keyFile)
  mustServe('caFile', caFile, { ca }, 'certificates, PEM')
  mustServe('certFile', certFile, { cert }, 'a certificate, PEM')
  mustServe('keyFile', keyFile, { cert, key }, `the key of the certificate in ${certFile}, PEM`)
  return { ca, cert, key }
}

// What TLS would throw at when the first server is dialled.
function mustServe(name: string, path: unknown, made: SecureContextOptions, expected: string) {
  try {
    createSecureContext(made)
  } catch (error) {
    throw refused(name, path, `${expected} (${reasonOf(error)})`)
  }
}

function serverOf(text: string): { host: string; port: number } {
  const [, bracketed, plain, digits] = /^(?:\[(.+)\]|([^:]+))(?::(\d+))?$/.exec(text) ?? []
  const host = bracketed ?? plain ?? text
  const port = digits === undefined ? PORT : Number(digits)
  const isName = /^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(host)
  // Without brackets nobody can say where an IPv6 address ends and a port begins.
  const isAddress = isIPv4(host) || (bracketed !== undefined && isIPv6(host))
  if ((!isName && !isAddress) || port < 1 || port > PORT_MAX)
    throw refused('servers', text, 'an address (IPv6 in brackets) or a name, with :port or without')
  return { host, port }
}

function credentialsOf(
  { username: named, passwordFile }: Settings['zookeeper'],
  { MEZZO_ZOOKEEPER_USERNAME, MEZZO_ZOOKEEPER_PASSWORD }: NodeJS.ProcessEnv
): { username: string; password: string } | undefined {
  const username = named ?? MEZZO_ZOOKEEPER_USERNAME
  const password =
    passwordFile === undefined
      ? MEZZO_ZOOKEEPER_PASSWORD
      : read('passwordFile', passwordFile)?.replace(/\r?\n$/, '')
  if (username === undefined && password === undefined) return undefined
  if (username === undefined) throw refused('username', undefined, 'one, for there is a password')
  if (password === undefined || password === '' || /[\r\n]/.test(password))
    throw refused('passwordFile', passwordFile, `a file of one line, the password of ${username}`)
  return { username, password }
}

function read(name: string, path: string | undefined): string | undefined {
  if (path === undefined) return undefined
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw refused(name, path, `a file that can be read: ${reasonOf(error)}`)
  }
}

const refused = (name: string, value: unknown, expected: string): Error =>
  fail('INVALID', {
    field: `store.zookeeper.${name}`,
    value: value === undefined ? 'missing' : show(value),
    expected
  })
