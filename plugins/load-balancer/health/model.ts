// How the members of pools are checked, as data.

import Type from 'typebox'
import {
  defineModel,
  type Fault,
  type ModelValue,
  Name,
  object,
  type Stored
} from '../../../src/resource.ts'
import { CODES_DEFAULT, parseCodes } from './codes.ts'

const MS_MAX = 3_600_000
const TIMEOUT_MS = 2000
const INTERVAL_MS = 5000

const Ms = (value: number, minimum: number, description: string) =>
  Type.Optional(Type.Integer({ minimum, maximum: MS_MAX, default: value, description }))
const Count = (value: number, description: string) =>
  Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: value, description }))

/** A health monitor in the store. */
export const healthMonitorModel = defineModel({
  kind: 'health-monitor',
  plural: 'health-monitors',
  summary: 'How the members of pools are checked.',
  schema: object({
    name: Type.Optional(Name),
    adminStateUp: Type.Optional(
      Type.Boolean({ default: true, description: 'false: no checks, every member counts as up' })
    ),
    type: Type.Union([
      Type.Literal('tcp'),
      Type.Literal('http'),
      Type.Literal('https'),
      Type.Literal('udp'),
      Type.Literal('ping')
    ]),
    intervalMs: Ms(INTERVAL_MS, 100, 'between two checks of a member'),
    timeoutMs: Ms(TIMEOUT_MS, 50, 'a check that has not succeeded by then has failed'),
    riseCount: Count(2, 'checks in a row that make a member up'),
    fallCount: Count(3, 'failures in a row that make it down'),
    port: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 0xffff,
        description: 'to check; the port of the member, or of the VIP, when left out'
      })
    ),
    path: Type.Optional(
      Type.String({ pattern: '^/[!-~]*$', maxLength: 1024, default: '/', description: 'HTTP' })
    ),
    host: Type.Optional(
      Type.String({ pattern: '^[!-~]+$', maxLength: 255, description: 'Host header and TLS name' })
    ),
    expectedCodes: Type.Optional(
      Type.String({
        maxLength: 255,
        default: CODES_DEFAULT,
        description: 'such as 200,204,300-399'
      })
    )
  }),
  validate: monitorFaults
})
export type HealthMonitorModel = ModelValue<typeof healthMonitorModel>

function monitorFaults(monitor: Stored): Fault[] {
  const {
    timeoutMs = TIMEOUT_MS,
    intervalMs = INTERVAL_MS,
    expectedCodes
  } = monitor as HealthMonitorModel
  const faults: Fault[] = []
  if (timeoutMs > intervalMs)
    faults.push({ field: 'timeoutMs', value: timeoutMs, expected: 'not more than intervalMs' })
  if (expectedCodes !== undefined && parseCodes(expectedCodes) === undefined)
    faults.push({
      field: 'expectedCodes',
      value: expectedCodes,
      expected: 'codes and ranges such as 200,204,300-399'
    })
  return faults
}
