// What the demo adds to its API: the connections it watches, and faults on demand. A bare
// appliance has none of this.

import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { Failure } from '../api/cli/client.ts'
import { Refusal } from '../api/http/refusal.ts'
import { bodyOf, queryOf } from '../api/routes/request.ts'
import { addRoute } from '../api/routes/route.ts'
import { LabError } from '../lab/index.ts'
import type { Faults } from './faults.ts'
import type { Report } from './report/report.ts'

const TAG = 'demo'
// Longer than the parts wait, which say what for: a server of the cluster comes back in 10 s, on a
// busy machine in a minute.
const FAULT_MS = 240_000
const closed = { additionalProperties: false } as const
const OfHost = Type.Object({ host: Type.String() }, closed)
const OfVm = Type.Object({ vm: Type.String(), host: Type.String() }, closed)
const OfCable = Type.Object({ host: Type.String(), upstream: Type.String() }, closed)
const Done = Type.Object({ done: Type.String({ description: 'what has happened' }) })
const anything = { type: 'object', additionalProperties: true } as const

/** What the routes of the demo show and do. */
export interface DemoView {
  /** The demo as it is now. */
  report(): Report
  /** null while the demo is still being built. */
  faults(): Faults | null
}

type Verb = 'kill' | 'stop' | 'restore' | 'restart' | 'drain' | 'undrain'

const summaries: Readonly<Record<Verb, string>> = {
  kill: 'A gateway dies: its agent, and every cable. Or a server does, or a router outside.',
  stop: 'All servers of a kind die.',
  restore: 'It comes back, or they do.',
  restart: 'The agent of a host crashes and is started again.',
  drain: 'Traffic from outside is led away from a gateway; connections stay.',
  undrain: 'A gateway takes traffic from outside again.'
}

const cables = {
  cut: 'The cable between a gateway and a router outside is cut.',
  mend: 'It is whole again.'
} as const

/** Routes beside the API's: the demo's report, and its faults. */
export function addDemoRoutes(app: FastifyInstance, view: DemoView): void {
  const faults = (): Faults => {
    const found = view.faults()
    if (found !== null) return found
    const message = 'the demo is still being built'
    throw new Refusal({ status: 503, code: 'UNAVAILABLE', message })
  }
  addRoute(app, {
    url: '/demo',
    tag: TAG,
    method: 'GET',
    id: 'readDemo',
    summary: 'What the demo has seen so far, as `npm start -- --once --json` prints it.',
    answers: { 200: { description: 'As it is now.', schema: anything } },
    async handle(request) {
      queryOf(request, [])
      return view.report()
    }
  })
  addFaultRoutes(app, faults)
}

const common = { tag: TAG, method: 'POST', timeoutMs: FAULT_MS, refusals: [409] } as const
const answers = { 200: { description: 'It has happened.', schema: Done } }

function addFaultRoutes(app: FastifyInstance, faults: () => Faults): void {
  for (const [verb, summary] of Object.entries(summaries) as [Verb, string][])
    addRoute(app, {
      ...common,
      url: `/demo/${verb}`,
      id: `${verb}Host`,
      summary,
      body: OfHost,
      answers,
      async handle(request) {
        const { host } = bodyOf<{ host: string }>(request, OfHost)
        return { done: await come(`${verb} ${host}`, host, faults()[verb](host)) }
      }
    })
  for (const verb of ['cut', 'mend'] as const)
    addRoute(app, {
      ...common,
      url: `/demo/${verb}`,
      id: `${verb}Cable`,
      summary: cables[verb],
      body: OfCable,
      answers,
      async handle(request) {
        const { host, upstream } = bodyOf<{ host: string; upstream: string }>(request, OfCable)
        const what = `${verb} ${host} ${upstream}`
        return { done: await come(what, host, faults()[verb](host, upstream)) }
      }
    })
  addRoute(app, {
    ...common,
    url: '/demo/move',
    id: 'moveVm',
    summary: 'A virtual machine moves to another host, its port with it.',
    body: OfVm,
    answers,
    async handle(request) {
      const { vm, host } = bodyOf<{ vm: string; host: string }>(request, OfVm)
      return { done: await come(`move ${vm} ${host}`, host, faults().move(vm, host)) }
    }
  })
}

// The lab waited in vain, or the controller refused: neither is a mistake of ours, and it may be
// asked again.
async function come<T>(what: string, host: string, done: Promise<T>): Promise<T> {
  try {
    return await done
  } catch (error) {
    if (!(error instanceof LabError || error instanceof Failure)) throw error
    const message = `${what} has not come true: ${error.message}`
    const faults = [{ field: 'host', value: host, expected: error.message }]
    throw new Refusal({ status: 503, code: 'UNAVAILABLE', message, faults })
  }
}
