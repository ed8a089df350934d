// What each cell shows, with what was seen in a few words; it throws when it saw something else.

import assert from 'node:assert/strict'
import { addressOf, type CellGround, clock } from './ground.ts'
import type { Show, Upstream } from './upstream.ts'

const SECRET = 's3cretWord'
const BFD = { intervalMs: 200, multiplier: 3 }
const HOLD_S = 60
const KEPT_S = 60 // for which routes are kept

/** Plays a cell on a ground of its own; gives what was seen. */
export const played: Readonly<Record<Show, (ground: CellGround) => Promise<string>>> = {
  plain,
  BFD: bfd,
  MD5: md5,
  'graceful restart': ground => (ground.kind.keeps ? weRestart(ground) : theyRestart(ground)),
  ECMP: ecmp
}

async function plain(ground: CellGround): Promise<string> {
  const outside = await ground.upstream()
  await ground.apply()
  await ground.up()
  await ground.weKnow(ground.theirs)
  const gateway = addressOf(ground.family, 0)
  for (const hops of ground.learned.values()) assert.deepEqual(hops, [{ gateway, share: 1 }])
  await ground.theyKnow(ground.ours)
  await outside.announce(ground.theirs.slice(1))
  await ground.weKnow(ground.theirs.slice(1))
  await ground.apply({}, { networks: [] })
  await ground.theyKnow([])
  const [session] = await ground.sessions()
  assert.deepEqual([session!.state, session!.flaps], ['established', 0], JSON.stringify(session))
  return `${ground.theirs.length} in, 1 out, gone`
}

async function bfd(ground: CellGround): Promise<string> {
  await ground.upstream({ bfd: BFD, holdS: HOLD_S })
  await ground.apply({ bfd: BFD, holdS: HOLD_S, keepaliveS: HOLD_S / 3 })
  await ground.up()
  await ground.until('BFD', async () => (await ground.sessions())[0]!.bfd === 'up')
  await ground.weKnow(ground.theirs)
  await ground.theyKnow(ground.ours)
  const wire = ground.outsides[0]!
  const drop = (hook: string): string =>
    `chain ${hook} { type filter hook ${hook} priority -300; policy drop; }`
  const cutAt = clock.now()
  await wire.nft(`table inet cut { ${drop('prerouting')}; ${drop('output')}; }`)
  await ground.weKnow([])
  const seconds = (clock.now() - cutAt) / 1000
  assert.ok(seconds < HOLD_S)
  assert.match((await ground.sessions())[0]!.lastError ?? '', /BFD/)
  await ground.theyKnow([])
  await wire.nft('delete table inet cut')
  await ground.up()
  await ground.weKnow(ground.theirs)
  return `cut: ${seconds.toFixed(1)} of ${HOLD_S} s`
}

async function md5(ground: CellGround): Promise<string> {
  await ground.upstream({ password: SECRET })
  await ground.apply({ password: 'another' })
  await ground.until('a wrong signature', async () => {
    const { state, lastError } = (await ground.sessions())[0]!
    assert.notEqual(state, 'established')
    return /TCP-MD5/.test(lastError ?? '')
  })
  await ground.apply({ password: SECRET })
  await ground.up()
  await ground.weKnow(ground.theirs)
  return 'wrong: none, right: up'
}

// What FRR's restart loses once the session is there again is said, and no fault.
async function weRestart(ground: CellGround): Promise<string> {
  const outside = await ground.upstream({ isGraceful: true })
  await ground.apply({}, { gracefulRestartS: KEPT_S })
  await ground.up()
  await ground.theyKnow(ground.ours)
  await ground.weKnow(ground.theirs)
  const killedAt = clock.now()
  await killBgpd(ground)
  const theyLost = await lostAfter(ground, outside)
  const seconds = (clock.now() - killedAt) / 1000
  await ground.theyKnow(ground.ours)
  await ground.weKnow(ground.theirs)
  const { withdrawn, goneMs } = ground
  const lost = withdrawn === 0 ? '' : `, we lost ${goneMs.toFixed(0)} ms`
  return `kept ${seconds.toFixed(1)} s${lost}${theyLost ? ', then lost' : ''}`
}

async function killBgpd(ground: CellGround): Promise<void> {
  const pid = await ground.bgpd()
  if (pid !== undefined) process.kill(pid, 'SIGKILL')
}

/** Throws if the peer loses ours while bgpd is away; gives whether it does when it is back. */
async function lostAfter(ground: CellGround, outside: Upstream): Promise<boolean> {
  let looks = 0
  let isLost = false
  await ground.until('a session after the restart', async () => {
    const known = (await outside.learned()).join()
    const [session] = await ground.sessions().catch(() => []) // nobody answers yet
    const isBack = session?.state === 'established'
    if (isBack) isLost ||= known !== ground.ours.join()
    else {
      looks++
      assert.equal(known, ground.ours.join(), 'the peer lost our routes while we were away')
    }
    if (!isBack || session.prefixesReceived === 0) return false
    if (looks === 0) await killBgpd(ground) // it was back before anybody looked: once more
    return looks > 0
  })
  return isLost
}

// Two of them, of which the second does not ask for it: what it told must go.
async function theyRestart(ground: CellGround): Promise<string> {
  const [kept, lost] = [ground.theirs.slice(0, 1), ground.theirs.slice(1)]
  await ground.upstream({ isGraceful: true, networks: kept })
  await ground.upstream({ networks: lost })
  await ground.apply()
  await ground.up()
  await ground.weKnow(ground.theirs)
  const killedAt = clock.now()
  for (const each of ground.upstreams) await each.kill()
  await ground.weKnow(kept)
  await ground.until('the end of the sessions', async () =>
    (await ground.sessions()).every(({ state }) => state !== 'established')
  )
  for (const each of ground.upstreams) await each.start()
  await ground.up()
  await ground.weKnow(ground.theirs)
  const seconds = (clock.now() - killedAt) / 1000
  assert.equal(ground.withdrawn, 1, 'we lost routes of the first')
  return `we kept ${seconds.toFixed(1)} s`
}

async function ecmp(ground: CellGround): Promise<string> {
  const one = ground.theirs.slice(0, 1)
  await ground.upstream({ networks: one })
  const second = await ground.upstream({ networks: one })
  await ground.apply()
  await ground.up()
  const hops = (): string => {
    const known = ground.learned.get(one[0]!) ?? []
    return known
      .map(({ gateway, share }) => `${gateway} ${share}`)
      .sort()
      .join(', ')
  }
  const [a, b] = [0, 1].map(i => `${addressOf(ground.family, i)} 1`)
  await ground.until(`${a}, ${b}`, () => hops() === `${a}, ${b}`)
  await second.announce([])
  await ground.until(`${a} alone`, () => hops() === a)
  return '2 hops, then 1'
}
