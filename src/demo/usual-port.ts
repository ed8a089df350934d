// Where the demo's API listens: at the usual port, so that the command line finds it, or at any
// other when somebody has that. test/demo-port.test.ts holds it.

import { createServer } from 'node:net'
import type { TcpAddress } from '../api/http/listener.ts'
import { API_PORT, tokenOf } from '../main/api-settings.ts'
import type { ApplianceConfig } from '../main/run.ts'

/** Listens at the address of the settings, or at a free port of it when the port is taken. */
export async function atUsualPort<T>(
  api: ApplianceConfig['api'],
  listen: (at: TcpAddress, token: string | undefined) => Promise<T>
): Promise<T> {
  const { address: host, port = API_PORT } = api
  // Asked before: an API that could not listen has claimed its counters already.
  return listen({ host, port: (await isTaken(host, port)) ? 0 : port }, tokenOf(api))
}

function isTaken(host: string, port: number): Promise<boolean> {
  return new Promise(done => {
    const probe = createServer()
    probe.once('error', error => done((error as NodeJS.ErrnoException).code === 'EADDRINUSE'))
    probe.listen({ host, port }, () => probe.close(() => done(false)))
  })
}
