// How the hosts of one store ask each other, so that the API of any of them answers for all.

import Type, { type Static } from 'typebox'
import { section } from '../core/config/config.ts'

/** Where other hosts ask when a configuration names no port. */
const CLUSTER_PORT = 8183

/** The settings of the cluster. */
export const clusterSection = section({
  enabled: Type.Optional(
    Type.Boolean({
      description: 'the API answers for all hosts, and they ask this one; absent: with ZooKeeper'
    })
  ),
  address: Type.Optional(
    Type.String({
      format: 'ip',
      description: 'where other hosts ask this one; its address in a tunnel zone if absent'
    })
  ),
  port: Type.Integer({
    minimum: 0,
    maximum: 65_535,
    default: CLUSTER_PORT,
    description: '0: any free'
  })
})

/** Whether this process takes part. */
export const joins = (
  { enabled }: Static<typeof clusterSection>,
  { kind }: { kind: string }
): boolean => enabled ?? kind === 'zookeeper'
