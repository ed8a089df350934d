// Where the API is reached: a TCP port, or a unix socket that only its owner can open.  A socket is
// made beside its place, in a directory nobody else can enter, shut to others, and then moved
// there: at no moment is it open to anybody.

import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  unlinkSync
} from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { type AddressInfo, connect } from 'node:net'
import { dirname, join } from 'node:path'
import type { TlsOptions } from 'node:tls'
import { fail, reasonOf } from '../../core/errors.ts'
import { refuseGarbage, timeouts } from './http.ts'

/** An address and a port. */
export interface TcpAddress {
  /** An IP address or a name. */
  readonly host: string
  /** 0: any that is free. */
  readonly port: number
}
/** A Unix domain socket. */
export interface UnixAddress {
  /** Its path. */
  readonly socket: string
}
/** Where to listen. */
export type Listen = TcpAddress | UnixAddress

/** A server that listens. */
export interface Listener {
  /** http://127.0.0.1:8181, or unix:/run/mezzo/api.sock */
  readonly url: string
  readonly server: Server
  /** Resolves when no connection is open. */
  close(): Promise<void>
}

const SOCKET_MODE = 0o600
// sun_path holds 108 bytes; the socket is born with a longer name than it gets.
const SOCKET_BYTES_MAX = 88

/** Whether it is a Unix domain socket. */
export const isUnix = (listen: Listen): listen is UnixAddress => 'socket' in listen

/** Begins to listen, by TLS if that is given; throws UNAVAILABLE when the address is not free. */
export async function listen(
  where: Listen,
  answer: RequestListener,
  tls?: TlsOptions
): Promise<Listener> {
  const server =
    tls === undefined
      ? createServer(timeouts, answer)
      : createSecureServer({ ...timeouts, ...tls }, answer)
  server.on('clientError', refuseGarbage)
  try {
    if (isUnix(where)) return await onSocket(server, where.socket)
    await opened(server, where)
    const { address, family, port } = server.address() as AddressInfo
    const host = family === 'IPv6' ? `[${address}]` : address
    const scheme = tls === undefined ? 'http' : 'https'
    return { url: `${scheme}://${host}:${port}`, server, close: () => closed(server) }
  } catch (error) {
    server.close()
    const at = isUnix(where) ? where.socket : `${where.host}:${where.port}`
    throw fail('UNAVAILABLE', { what: `the API's address ${at}`, reason: reasonOf(error) }, error)
  }
}

const opened = (server: Server, where: { host: string; port: number } | { path: string }) =>
  new Promise<void>((done, failed) => {
    server.once('error', failed)
    server.listen(where, () => {
      server.off('error', failed)
      done()
    })
  })

function closed(server: Server): Promise<void> {
  return new Promise(done => {
    server.close(() => done())
    server.closeAllConnections()
  })
}

async function onSocket(server: Server, path: string): Promise<Listener> {
  if (Buffer.byteLength(path) > SOCKET_BYTES_MAX)
    throw new Error(`its path is longer than ${SOCKET_BYTES_MAX} bytes`)
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  await mustBeFree(path)
  const cradle = mkdtempSync(join(dirname(path), '.api-'))
  try {
    const born = join(cradle, 's')
    await opened(server, { path: born })
    chmodSync(born, SOCKET_MODE)
    renameSync(born, path)
  } finally {
    rmSync(cradle, { recursive: true, force: true })
  }
  const { ino } = lstatSync(path)
  const close = async (): Promise<void> => {
    await closed(server)
    if (lstatSync(path, { throwIfNoEntry: false })?.ino === ino) unlinkSync(path)
  }
  return { url: `unix:${path}`, server, close }
}

// What a process that was killed left behind is taken away; what anybody listens on is not, nor
// what is no socket.
async function mustBeFree(path: string): Promise<void> {
  const there = lstatSync(path, { throwIfNoEntry: false })
  if (there === undefined) return
  if (!there.isSocket()) throw new Error('there is something that is no socket')
  const answers = await new Promise<boolean>(done => {
    const socket = connect(path, () => {
      socket.destroy()
      done(true)
    })
    socket.on('error', () => done(false))
  })
  if (answers) throw new Error('somebody listens there already')
}
