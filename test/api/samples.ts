// One good object of every kind, with all it needs around it: what a test of every model creates.

import assert from 'node:assert/strict'
import { call, type System } from './fixture.ts'

export interface ModelText {
  readonly kind: string
  readonly plural: string
  readonly example: Readonly<Record<string, unknown>>
  readonly references: Readonly<Record<string, readonly string[]>>
  readonly owner?: string
  readonly ordered?: string
}

export async function modelTexts({ url }: System): Promise<ModelText[]> {
  const { body } = await call(`${url}/models`)
  return body as unknown as ModelText[]
}

export async function create(system: System, path: string, body: unknown): Promise<string> {
  const answer = await call(system.url + path, 'POST', body)
  assert.equal(answer.status, 201, JSON.stringify(answer.body))
  return answer.body.id
}

let serial = 0

/** The example the server gives for a kind, its references led to objects that exist. */
export async function sampleOf(system: System, kind: string): Promise<Record<string, unknown>> {
  const models = await modelTexts(system)
  const { example, references } = models.find(model => model.kind === kind)!
  const sample: Record<string, unknown> = { ...example }
  if ('name' in sample) sample.name = `sample-${++serial}`
  for (const field of Object.keys(example)) {
    const target = references[field]?.[0]
    if (target !== undefined) sample[field] = await createSample(system, target)
  }
  // A route leaves by a port of its own router.
  if (kind === 'route') sample.port = await create(system, `/routers/${sample.router}/ports`, {})
  // A router outside is in the network of a port of its router.
  if (kind === 'bgp-peer' || kind === 'static-uplink')
    await create(system, `/routers/${sample.router}/ports`, { addresses: ['192.0.2.2/24'] })
  return sample
}

export async function createSample(system: System, kind: string): Promise<string> {
  const models = await modelTexts(system)
  const { plural } = models.find(model => model.kind === kind)!
  return create(system, `/${plural}`, await sampleOf(system, kind))
}
