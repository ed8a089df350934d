// Where the demo's API listens: at the usual port, so that the command line finds it, or at any
// other when somebody has that. test/lab/demo.test.ts holds it.

import type { TcpAddress } from '../api/http/listener.ts'
import { API_PORT, tokenOf } from '../main/api-settings.ts'
import type { ApplianceConfig } from '../main/run.ts'

/** Listens at the address of the settings, or at a free port of it when the port is taken. */
export async function atUsualPort<T>(
  api: ApplianceConfig['api'],
  listen: (at: TcpAddress, token: string | undefined) => Promise<T>
): Promise<T> {
  const { address: host, port = API_PORT } = api
  const token = tokenOf(api)
  try {
    return await listen({ host, port }, token)
  } catch (error) {
    const cause = (error as Error).cause as NodeJS.ErrnoException | undefined
    if (cause?.code !== 'EADDRINUSE') throw error
    return listen({ host, port: 0 }, token)
  }
}
