// systemd/mezzo.service with the drop-in of gateways, as systemd of this machine runs it: real FRR
// beside the agent, and BIRD outside. A restart of the service, or a kill of its agent, is missed
// by no session; a stop leaves them up, and the guard withdraws.
//
//   upstream (AS 65101) ──── up1, router edge (AS 65001), 10.0.1.0/24

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { Lab, type Outside, until } from '../../src/lab/index.ts'
import { Bird, missingForBird } from '../../src/lab/services/bird.ts'
import { missingForFrr } from '../../src/lab/services/frr.ts'
import { missingForSystemd } from '../../src/lab/services/systemd.ts'
import { Network } from './fixtures/index.ts'
import { UnitGround } from './fixtures/units.ts'

const skip = Network.skip() || (missingForSystemd() ?? missingForBird() ?? missingForFrr() ?? false)
const OURS = '10.0.1.0/24'
const PATIENCE_MS = 60_000
const DROP_IN = 'mezzo.service.d/gateway.conf'
const PEER = [
  ...['bgp-peer', 'create', 'router=edge', 'name=upstream', 'address=180.0.1.1'],
  ...['asn=65101', 'connectS=1', 'password=@/run/secret', 'bfd={"intervalMs":300}']
]
const programs = ['bfdd', 'bgpd', 'guard', 'zebra']

describe('the unit of a gateway', { skip }, () => {
  let lab: Lab
  let ground: UnitGround
  let outside: Outside
  let bird: Bird

  before(async () => {
    lab = await Lab.open({ prefix: 'mz-lab-unit-gw' })
    const host = await lab.host('gw1')
    const links = [{ host, interface: 'up1', addresses: ['180.0.1.1/24'] }]
    outside = await lab.outside('upstream', { links })
    const password = 's3cretWord'
    const peers = [{ name: 'four', address: '180.0.1.2', asn: 65001, password, bfd: true }]
    const networks = ['198.51.100.0/24']
    bird = await Bird.start(outside, { asn: 65101, routerId: '9.9.9.1', networks, peers })
    ground = await UnitGround.open(host, [DROP_IN])
    writeFileSync(ground.systemd.path('/run/secret'), password, { mode: 0o600 })
    await ground.start()
  })
  after(async () => {
    await ground?.close()
    await bird?.close()
    await lab?.close()
  })

  const isUp = async (): Promise<boolean> => (await bird.session('four')).isUp
  const knowsUs = async (): Promise<boolean> => (await bird.networks()).includes(OURS)
  const isForgotten = async (): Promise<boolean> => !(await knowsUs())
  const hasLearned = async (): Promise<boolean> =>
    /^gw1 +edge:up1 .* working +1 +- +-$/m.test(await ground.mezzo('bgp', 'status'))
  // The connection of the session: another one has another port.
  const connection = async (): Promise<string> => {
    const text = await outside.must(['ss', '-Htn', 'state', 'established'])
    const line = text.split('\n').find(each => each.includes('180.0.1.2:') && /:179\b/.test(each))
    return line?.trim().split(/\s+/).slice(2, 4).join(' ') ?? 'none'
  }
  // With the times of their starts.
  const processes = async (): Promise<string[]> => {
    const tell = "awk '{ print FILENAME, $1, $22 }' /run/mezzo-bgp/*/*/*.pid"
    const all = (await ground.systemd.must(['sh', '-c', tell])).trim().split('\n')
    assert.deepEqual(all.map(each => /(\w+)-\w+\.pid/.exec(each)?.[1]).sort(), programs)
    return all
  }

  test('it speaks BGP with what it may, and no more', async () => {
    for (const line of [
      'router create name=edge',
      'port create device=edge name=up1 addresses=180.0.1.2/24',
      'port bind edge:up1 gw1 up1',
      'bgp-speaker create router=edge asn=65001',
      `bgp-network create router=edge prefix=${OURS}`
    ])
      await ground.mezzo(...line.split(' '))
    await ground.mezzo(...PEER)
    await until('the session', isUp, PATIENCE_MS)
    await until('our network is known', knowsUs, PATIENCE_MS)
    await until('theirs is known', hasLearned, PATIENCE_MS)
    const status = await ground.status()
    for (const each of ['CapEff', 'CapBnd'])
      assert.equal(new RegExp(`^${each}:\\s*(\\w+)$`, 'm').exec(status)?.[1], '000000c0002034e0')
    assert.match(status, /^NoNewPrivs:\s*1$/m)
    assert.match(status, /^Seccomp:\s*2$/m)
    assert.equal(await ground.verify(), '')
  })

  test('a restart: the session and all programs are those of before', async () => {
    const before = [await connection(), ...(await processes())]
    await ground.restart()
    await until('theirs is known', hasLearned, PATIENCE_MS)
    assert.deepEqual([await connection(), ...(await processes())], before)
    // Where no agent was there for ten seconds the guard has withdrawn it meanwhile.
    await until('our network is known', knowsUs, PATIENCE_MS)
  })

  test('an agent that is killed is missed by no session either', async () => {
    const before = [await connection(), ...(await processes())]
    await ground.systemd.control('kill', '--kill-whom=main', '--signal=KILL', 'mezzo')
    await ground.ready()
    await until('theirs is known', hasLearned, PATIENCE_MS)
    assert.deepEqual([await connection(), ...(await processes())], before)
  })

  test('a stop leaves the session, and the guard withdraws; a start takes it up', async () => {
    const before = [await connection(), ...(await processes())]
    await ground.systemd.control('stop', 'mezzo')
    await until('the guard has withdrawn', isForgotten, PATIENCE_MS)
    assert.ok(await isUp())
    await ground.start()
    await until('our network is known', knowsUs, PATIENCE_MS)
    assert.deepEqual([await connection(), ...(await processes())], before)
  })

  test('a program that is killed is started again', async () => {
    const before = await connection()
    const bgpd = (await processes()).find(each => each.includes('bgpd'))!
    await ground.systemd.must(['kill', '-KILL', bgpd.split(' ')[1]!])
    await until('another one', async () => !(await processes()).includes(bgpd), PATIENCE_MS)
    const isNew = async () => !['none', before].includes(await connection())
    await until('the session', async () => (await isNew()) && (await isUp()), PATIENCE_MS)
    await until('our network is known', knowsUs, PATIENCE_MS)
  })

  test('without peers nothing is left', async () => {
    await ground.mezzo('bgp-peer', 'delete', 'upstream')
    const look = 'find /run/mezzo-bgp /run/netns -mindepth 2; pgrep "^(bgpd|bfdd|zebra)$" || :'
    const isClean = async (): Promise<boolean> =>
      (await ground.systemd.must(['sh', '-c', look])) === ''
    await until('all is gone', isClean, PATIENCE_MS)
  })

  test('after a stop, `systemctl kill` ends what was left', async () => {
    await ground.mezzo(...PEER)
    await until('the session', isUp, PATIENCE_MS)
    await ground.systemd.control('stop', 'mezzo')
    assert.ok(await isUp())
    await ground.systemd.control('kill', 'mezzo')
    await until('the session is over', async () => !(await isUp()), PATIENCE_MS)
  })
})
