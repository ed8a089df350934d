// TCP servers in other network namespaces: for a program that a control side keeps running there
// and that dials its own loopback. test/lab/listening.test.ts holds it.

import { createServer, type Server, type Socket } from 'node:net'
import { check, loadAddon } from '../../native/addon.ts'

/** Where to listen. */
export interface ListenOptions {
  /** Path of the network namespace. */
  readonly netns: string
  /** IPv4, there. */
  readonly address: string
  /** 0: one that is free. */
  readonly port: number
}

/** A server in another namespace. */
export interface Listening {
  /** It listens on. */
  readonly port: number
  /** Takes no more; connections that there are go on. */
  close(): void
}

/** Rejects with UNAVAILABLE: no such namespace, the port is taken, there is no native addon. */
export async function listenIn(
  options: ListenOptions,
  onConnect: (socket: Socket) => void
): Promise<Listening> {
  const { netns, address, port } = options
  const what = `${address}:${port} in the namespace ${netns}`
  const fd = check(what, loadAddon().listenIn(netns, address, port))
  const server = createServer(onConnect)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ fd }, resolve)
  })
  server.on('error', () => server.close())
  return { port: portOf(server), close: () => void server.close() }
}

function portOf(server: Server): number {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}
