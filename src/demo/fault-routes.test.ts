// What the demo answers when a fault that makes sense does not come true: who it was asked of, what
// was waited for, and that it may be asked again; a mistake of ours it is not.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PATIENCE_MS } from '../api/cli/actions/demo.ts'
import { Exit, Failure } from '../api/cli/client.ts'
import { plainSchemas } from '../api/document/plain-schemas.ts'
import { newHttp } from '../api/http/http.ts'
import { openLog } from '../core/log.ts'
import { until } from '../lab/index.ts'
import { START_MS_MAX } from '../lab/services/service.ts'
import { TOLD_MS } from './cluster/upstream-beyond.ts'
import { addDemoRoutes } from './fault-routes.ts'
import { type FaultParts, Faults } from './faults.ts'
import type { Report } from './report/report.ts'

const WAITED = 'the upstream routers send nothing more by gateway1'
const nothing = async (): Promise<void> => {}

async function asked(drain: NonNullable<FaultParts['drain']>, verb = 'drain') {
  const routers = { names: ['r1', 'r2'], kill: nothing, revive: nothing, cut: nothing }
  const parts = { routers, drain, begin: nothing } as Partial<FaultParts> as FaultParts
  const faults = new Faults(parts)
  const app = newHttp(openLog({ level: 'error' }, { write: () => {} }))
  for (const schema of plainSchemas) app.addSchema(schema)
  addDemoRoutes(app, { report: () => ({}) as Report, faults: () => faults })
  const payload = { host: 'gateway1' }
  const answer = await app.inject({ method: 'POST', url: `/demo/${verb}`, payload })
  return { status: answer.statusCode, error: answer.json().error }
}

test('who asks waits longer than the route, and the route longer than its parts', async () => {
  const app = newHttp(openLog({ level: 'error' }, { write: () => {} }))
  const waits: (number | undefined)[] = []
  app.addHook('onRoute', ({ method, handlerTimeout }) => {
    if (method === 'POST') waits.push(handlerTimeout)
  })
  for (const schema of plainSchemas) app.addSchema(schema)
  addDemoRoutes(app, { report: () => ({}) as Report, faults: () => null })
  assert.equal(waits.length, 9)
  for (const waitMs of waits) {
    assert.ok((waitMs ?? 0) > START_MS_MAX + TOLD_MS, `${waitMs} ms`)
    assert.ok((waitMs ?? 0) < PATIENCE_MS, `${waitMs} ms`)
  }
})

test('a drain that the routers outside do not hear of says what was waited for', async () => {
  const { status, error } = await asked(() => until(WAITED, () => false, 1))
  const expected = `not within 1 ms: ${WAITED}`
  assert.deepEqual([status, error.code], [503, 'UNAVAILABLE'])
  assert.equal(error.message, `drain gateway1 has not come true: ${expected}`)
  assert.deepEqual(error.faults, [{ field: 'host', value: 'gateway1', expected }])
})

test('a drain that the controller refuses says what it said', async () => {
  const said = 'host.drain is "yes"; expected a boolean'
  const { status, error } = await asked(() => Promise.reject(new Failure(Exit.refused, said)))
  assert.deepEqual([status, error.code], [503, 'UNAVAILABLE'])
  assert.equal(error.message, `drain gateway1 has not come true: ${said}`)
})

test('a mistake of ours stays one, and what makes no sense is refused as before', async () => {
  const wrong = await asked(() => Promise.reject(new TypeError('x is not a function')))
  assert.deepEqual([wrong.status, wrong.error.code], [500, 'INTERNAL'])
  assert.doesNotMatch(wrong.error.message, /x is not/)
  const { status, error } = await asked(nothing, 'undrain')
  assert.deepEqual([status, error.code], [409, 'CONFLICT'])
  assert.match(error.message, /host is "gateway1"; expected a gateway that is drained/)
})
