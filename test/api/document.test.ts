// The OpenAPI document: every route is in it, every reference leads somewhere, every example is
// one the server would take.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { applyDefaults, checkObject } from '../../src/topology/validation.ts'
import { call, openSystem, type System } from './fixture.ts'
import { modelTexts } from './samples.ts'

interface Operation {
  readonly operationId: string
  readonly summary: string
  readonly tags: string[]
  readonly parameters?: { name: string; in: string; required?: boolean; schema: object }[]
  readonly requestBody?: { content: Record<string, { schema: object }> }
  readonly responses: Record<string, { description: string; content?: Record<string, object> }>
}

interface Document {
  readonly openapi: string
  readonly info: { title: string; version: string }
  readonly paths: Record<string, Record<string, Operation>>
  readonly components: { schemas: Record<string, object> }
}

let system: System
let document: Document
before(async () => {
  system = await openSystem()
  document = (await call(`${system.url}/openapi.json`)).body as unknown as Document
})
after(() => system.close())

const operations = () =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation }))
  )

test('it is OpenAPI 3.1 and complete in itself', () => {
  assert.match(document.openapi, /^3\.1\./)
  assert.ok(document.info.title && document.info.version)
  const ids = operations().map(({ operation }) => operation.operationId)
  assert.equal(new Set(ids).size, ids.length, 'operationId is unique')
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(m => m[1]!)
  assert.ok(references.length > 100)
  for (const reference of new Set(references)) {
    const name = /^#\/components\/schemas\/(\w+)$/.exec(reference)?.[1]
    assert.ok(name !== undefined && name in document.components.schemas, reference)
  }
})

test('every operation says what it takes, what it gives and how it refuses', () => {
  for (const { path, method, operation } of operations()) {
    const where = `${method} ${path}`
    assert.ok(operation.summary && operation.tags.length === 1, where)
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(match => match[1])
    const declared = (operation.parameters ?? []).filter(each => each.in === 'path')
    assert.deepEqual(
      declared.map(each => each.name),
      inPath,
      where
    )
    assert.ok(
      declared.every(each => each.required),
      where
    )
    const statuses = Object.keys(operation.responses)
    assert.ok(
      statuses.some(status => status.startsWith('2')),
      where
    )
    assert.ok(statuses.includes('400'), where)
    if (inPath.length > 0) assert.ok(statuses.includes('404'), where)
    assert.equal(operation.requestBody !== undefined, /post|put|patch/.test(method), where)
    for (const response of Object.values(operation.responses))
      assert.ok(response.description, where)
  }
})

test('every route of the server is in it, and every path of it is served', async () => {
  const routes = [
    ...system.api.app.printRoutes({ commonPrefix: false }).matchAll(/\(([A-Z, ]+)\)/g)
  ]
  const served = routes.flatMap(match => match[1]!.split(', ')).filter(m => m !== 'HEAD')
  assert.equal(operations().length, served.length)
  for (const { path, method, operation } of operations()) {
    const url = system.url + path.replace('{id}', '3c7d2c52-6a5c-4b33-8b06-8c6f6f0b1a99')
    const body = operation.requestBody === undefined ? undefined : {}
    const { status } = await call(url, method.toUpperCase(), body)
    assert.ok(String(status) in operation.responses, `${method} ${path} answers ${status}`)
  }
})

test('the example of every model is one the model takes', async () => {
  const id = '3c7d2c52-6a5c-4b33-8b06-8c6f6f0b1a99'
  for (const { kind, example } of await modelTexts(system)) {
    const model = system.models.find(each => each.kind === kind)!
    assert.deepEqual(checkObject(model, applyDefaults(model, { id, ...example })), [], kind)
  }
})

test('the index leads to every collection', async () => {
  const { body } = await call(`${system.url}/`)
  const links = body.links as Record<string, string>
  for (const { plural } of system.models) assert.equal(links[plural], `/${plural}`)
  for (const path of Object.values(links))
    assert.notEqual((await call(system.url + path)).status, 404, path)
})
