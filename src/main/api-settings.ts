// Where the API listens, and where its token comes from.

import { resolve } from 'node:path'
import Type, { type Static } from 'typebox'
import type { Listen, TcpAddress } from '../api/http/listener.ts'
import { section } from '../core/config/config.ts'
import { secretOf } from './secrets.ts'

/** Where the API listens when a configuration names no port. */
export const API_PORT = 8181
const API_ADDRESS = '127.0.0.1'

/** The settings of the API. */
export const apiSection = section({
  enabled: Type.Boolean({ default: true, description: 'serve REST, metrics and OpenAPI' }),
  socket: Type.String({
    default: '',
    description: 'a unix socket that only its owner may open; empty: none'
  }),
  address: Type.String({
    default: API_ADDRESS,
    description: 'where it listens; anything but loopback needs a token'
  }),
  port: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 65_535,
      description: `0: any free; else ${API_PORT}, or none beside a socket without an address`
    })
  ),
  token: Type.Optional(
    Type.String({ minLength: 16, maxLength: 256, description: 'bearer token clients must show' })
  ),
  tokenFile: Type.Optional(
    Type.String({ minLength: 1, description: 'file with the token, read by its owner only' })
  )
})

/** The settings of the page of metrics that stands apart from the API. */
export const metricsSection = section({
  enabled: Type.Boolean({ default: false, description: 'serve /metrics on an address of its own' }),
  address: Type.String({
    default: '127.0.0.1',
    description: 'where: it is read-only and asks for no token'
  }),
  port: Type.Integer({ minimum: 0, maximum: 65_535, default: 8182, description: '0: any free' })
})

type ApiSettings = Static<typeof apiSection>

/** Where the API is to listen: a socket, an address, or both. */
export function listensOf({ socket, address, port }: ApiSettings): Listen[] {
  // Who names an address wants to be reached there.
  const isMeant = socket === '' || address !== API_ADDRESS
  const number = port ?? (isMeant ? API_PORT : undefined)
  const tcp: TcpAddress[] = number === undefined ? [] : [{ host: address, port: number }]
  return socket === '' ? tcp : [{ socket: resolve(socket) }, ...tcp]
}

/** The token of the settings, of a file, or of a credential that systemd has loaded. */
export const tokenOf = ({ token, tokenFile }: ApiSettings): string | undefined =>
  secretOf({ field: 'api.token', value: token, file: tokenFile, credential: 'api-token' })
