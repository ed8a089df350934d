// A load balancer's models, compiled: text becomes numbers once, so that a walk meets only numbers.

import { address, derive, hashOf, type Models, state, type Tag } from '../../src/plugin.ts'
import type { HealthMonitorModel } from './health/model.ts'
import { rangeOf } from './health/probe-transport.ts'
import type { LoadBalancerModel, PoolMemberModel, PoolModel, VipModel } from './model.ts'

const { KeyWord, RecordWord } = state
const PROTOCOL = { tcp: 6, udp: 17 } as const

/** A member, ready for packets. */
export interface Member {
  readonly id: string
  /** Stands for it in records. */
  readonly word: number
  /** Of flows that go to it or come from it. */
  readonly tag: Tag
  /** IPv4 or IPv6. */
  readonly family: 4 | 6
  /** Its address, four words. */
  readonly words: Int32Array
  /** 0: that of the VIP. */
  readonly port: number
  /** Its share of new connections; 0: none. */
  readonly weight: number
  /** It has not been set down. */
  readonly isEnabled: boolean
  /** It keeps its connections and gets no new ones. */
  readonly drains: boolean
  /** Connections at once; Infinity: no bound. */
  readonly connectionsMax: number
  /**
   * The way from two VIPs, or two ports of one, may be the same behind it: answers would not say
   * whose they are.
   */
  readonly isShared: boolean
  /** As checks say. */
  isHealthy: boolean
}

/** A pool, ready for packets. */
export interface Pool {
  readonly id: string
  /** Stands for it in records. */
  readonly word: number
  /** Of flows that found nobody in it. */
  readonly tag: Tag
  /** It has not been set down. */
  readonly isUp: boolean
  /** How a member is chosen. */
  readonly algorithm: 'rendezvous' | 'weighted-random' | 'least-connections'
  readonly members: readonly Member[]
  /** Its members by the words that stand for them in records. */
  readonly byWord: ReadonlyMap<number, Member>
  /** How they are checked; undefined: they are not. */
  readonly monitor: HealthMonitorModel | undefined
  /** Where the ports of its checks begin. */
  readonly range: number
  /** Of members that name none. */
  readonly defaultPort: number
}

/** A virtual address, ready for packets. */
export interface Vip {
  readonly id: string
  /** It has not been set down. */
  readonly isUp: boolean
  /** IPv4 or IPv6. */
  readonly family: 4 | 6
  /** The address, four words. */
  readonly words: Int32Array
  /** TCP, UDP or ICMP, by number. */
  readonly protocol: number
  /** The first port. */
  readonly port: number
  /** The last port. */
  readonly portEnd: number
  /** What keeps a client at its member. */
  readonly persistence: 'none' | 'source-address' | '5-tuple'
  /** What clients hear when there is no member for them. */
  readonly onNoMember: 'reset-if-empty' | 'reset' | 'silent'
  readonly pool: Pool
}

/** A load balancer, ready for packets. */
export interface Parts {
  /** It has not been set down. */
  readonly isUp: boolean
  readonly vips: readonly Vip[]
  readonly pools: readonly Pool[]
  /** What a packet meets before it meets a pool; a change of it concerns every packet. */
  readonly signature: string
}

/** Makes the parts out of the models. */
export function compile(id: string, models: Models, tag: Tag): Parts {
  const model = models.get<LoadBalancerModel>('load-balancer', id)
  const pools: Pool[] = []
  const vips: Vip[] = []
  for (const each of models.where<PoolModel>('pool', 'loadBalancer', id)) {
    const of = models.where<VipModel>('vip', 'pool', each.id)
    const pool = compilePool(each, of, models, tag)
    pools.push(pool)
    for (const vip of of) vips.push(compileVip(vip, pool))
  }
  const isUp = model?.adminStateUp ?? true
  const signature = JSON.stringify([
    isUp,
    vips.map(({ pool, words, ...rest }) => [rest, pool.id, ...words]),
    pools.map(pool => [pool.id, pool.isUp, pool.members.map(placeOf)])
  ])
  return { isUp, vips, pools, signature }
}

const placeOf = ({ id, words, port }: Member): string => `${id} ${words.join('.')} ${port}`

/** What a new connection's way depends on, as text. */
export const chanceOf = (pool: Pool): string =>
  JSON.stringify([
    pool.algorithm,
    pool.members.map(m => [m.weight, m.isEnabled, m.drains, m.connectionsMax, m.isHealthy])
  ])

function compilePool(model: PoolModel, vips: readonly VipModel[], models: Models, tag: Tag): Pool {
  const members = models
    .where<PoolMemberModel>('pool-member', 'pool', model.id)
    .map(member => compileMember(member, vips, tag))
  const word = hashOf('pool', model.id)
  const monitor =
    model.healthMonitor === undefined
      ? undefined
      : models.get<HealthMonitorModel>('health-monitor', model.healthMonitor)
  return {
    id: model.id,
    word,
    tag: derive(tag, word),
    isUp: model.adminStateUp ?? true,
    algorithm: model.algorithm ?? 'rendezvous',
    members,
    byWord: new Map(members.map(member => [member.word, member])),
    monitor: monitor?.adminStateUp === false ? undefined : monitor,
    range: rangeOf(word),
    defaultPort: vips[0]?.port ?? 0
  }
}

function compileMember(model: PoolMemberModel, vips: readonly VipModel[], tag: Tag): Member {
  const { family, words } = address.parseIp(model.address)
  const word = hashOf('member', model.id)
  const { port = 0 } = model
  const isRange = vips.some(vip => (vip.portEnd ?? vip.port) > vip.port)
  return {
    id: model.id,
    word,
    tag: derive(tag, word),
    family,
    words,
    port,
    weight: model.weight ?? 1,
    isEnabled: model.adminStateUp ?? true,
    drains: model.drain ?? false,
    connectionsMax: model.connectionsMax ?? Number.POSITIVE_INFINITY,
    isShared: vips.length > 1 || (isRange && port !== 0),
    isHealthy: true
  }
}

function compileVip(model: VipModel, pool: Pool): Vip {
  const { family, words } = address.parseIp(model.address)
  return {
    id: model.id,
    isUp: model.adminStateUp ?? true,
    family,
    words,
    protocol: PROTOCOL[model.protocol ?? 'tcp'],
    port: model.port,
    portEnd: model.portEnd ?? model.port,
    persistence: model.sessionPersistence ?? 'none',
    onNoMember: model.onNoMember ?? 'reset-if-empty',
    pool
  }
}

/** The member of a record, while it is well and where it was. */
export function boundOf(pool: Pool, record: Int32Array): Member | undefined {
  const member = pool.byWord.get(record[RecordWord.data]!)
  if (member?.isHealthy !== true) return undefined
  const b = RecordWord.b
  const vipPort = record[KeyWord.ports]! & 0xffff
  const port = record[b + KeyWord.ports]! >>> 16
  if (port !== (member.port === 0 ? vipPort : member.port)) return undefined
  return member.words.every((word, i) => word === record[b + KeyWord.src + i]) ? member : undefined
}
