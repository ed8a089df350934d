// What an operator may set: `plugins.router` of the configuration.

import Type, { type Static } from 'typebox'
import { section } from '../../src/resource.ts'

const ms = (value: number, description: string) =>
  Type.Integer({ default: value, minimum: 1, maximum: 86_400_000, description })
const max = (value: number, description: string) =>
  Type.Integer({ default: value, minimum: 1, maximum: 1_048_576, description })

/** The settings of the router plugin. */
export const routerSettings = section({
  neighbourRetryMs: ms(1000, 'Between two requests for the same neighbour, before jitter'),
  neighbourTimeoutMs: ms(3000, 'A neighbour that has not answered by then is unreachable'),
  neighbourFailedMs: ms(3000, 'How long an unreachable neighbour is not asked for again'),
  neighbourStaleMs: ms(60_000, 'A neighbour not heard of for so long is asked whether it is there'),
  neighbourExpireMs: ms(90_000, 'A neighbour not heard of for so long is forgotten'),
  neighbourPendingMax: max(256, 'Neighbours of one port that are being asked for; then the oldest'),
  neighbourMax: max(4096, 'Neighbours of one port; then the one heard of longest ago goes'),
  errorIntervalMs: ms(1000, 'Between two ICMP errors about one flow, after the first few'),
  errorBurstMax: max(3, 'ICMP errors about one flow that may come at once')
})
export type RouterSettings = Readonly<Static<typeof routerSettings>>
