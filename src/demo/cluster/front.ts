// Where users reach the cluster: the demo's own routes, and for all else the controller's API,
// which listens on a socket. While the controller is dead it says so, and how to bring it back.
// test/lab/demo-cluster.test.ts holds it.

import { request } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { plainSchemas } from '../../api/document/plain-schemas.ts'
import { newHttp } from '../../api/http/http.ts'
import { type Listener, listen } from '../../api/http/listener.ts'
import { Refusal } from '../../api/http/refusal.ts'
import { secure } from '../../api/http/security.ts'
import { openLog } from '../../core/log.ts'
import type { ApplianceConfig } from '../../main/run.ts'
import type { Routes } from '../site.ts'
import { atUsualPort } from '../usual-port.ts'

/** What it is opened with. */
export interface FrontOptions {
  /** The socket of the controller's API. */
  readonly socket: string
  /** The demo's. */
  readonly routes: Routes
  /** Where it listens, and what it asks for. */
  readonly config: ApplianceConfig
}

const PATIENCE_MS = 30_000

/** Listens when it resolves. */
export async function openFront({ socket, routes, config }: FrontOptions): Promise<Listener> {
  return atUsualPort(config.api, async (at, token) => {
    const app = newHttp(openLog(config.log))
    secure(app, token)
    // Schemas are there to be read: bodies are judged by the routes, answers are ours.
    app.setValidatorCompiler(() => () => true)
    app.setSerializerCompiler(() => data => JSON.stringify(data))
    for (const schema of plainSchemas) app.addSchema(schema)
    routes(app)
    await app.register(async inner => passOn(inner, socket))
    await app.ready()
    const listener = await listen(at, app.routing)
    const close = (): Promise<void> => listener.close().then(() => app.close())
    return { ...listener, close }
  })
}

// Bodies go through as they are: the controller judges them.
function passOn(app: FastifyInstance, socketPath: string): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
  app.all('/*', (asked, reply) => {
    const { authorization: _, ...headers } = asked.headers
    const { method, url: path } = asked.raw
    const onward = { socketPath, path, method, headers, timeout: PATIENCE_MS }
    return new Promise<void>((done, failed) => {
      const sent = request(onward, answer => {
        void reply
          .code(answer.statusCode ?? 502)
          .headers(answer.headers)
          .send(answer)
        answer.on('end', done)
      })
      sent.on('timeout', () => sent.destroy())
      sent.on('error', () => failed(away()))
      asked.raw.pipe(sent)
    })
  })
}

/** While the controller is dead. */
export const away = (): Refusal =>
  new Refusal({
    status: 503,
    code: 'UNAVAILABLE',
    message: 'the controller does not answer; `mezzo demo restore controller` starts it again'
  })
