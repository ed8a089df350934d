// Counters, and what Prometheus reads of several hosts and threads in one process.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { CounterTable } from './counters.ts'
import { Exposition } from './exposition.ts'

test('a name is one slot, whoever claims it', () => {
  const counters = new CounterTable()
  counters.claim('flow.hits').value += 2
  counters.claim('flow.hits').value++
  assert.equal(counters.value('flow.hits'), 3)
  assert.deepEqual(counters.snapshot().counters, { 'flow.hits': 3 })
})

test('a name is of one kind, and well-formed', () => {
  const counters = new CounterTable()
  counters.claim('flow.hits')
  assert.throws(() => counters.histogram('flow.hits', [1]), {
    code: 'COUNTER_KIND',
    message: 'counter flow.hits is a counter already; it cannot be a histogram'
  })
  counters.gauge('flow.masks', () => 1)
  assert.throws(() => counters.gauge('flow.masks', () => 2), { code: 'COUNTER_KIND' })
  for (const name of ['', 'Flow', 'a..b', 'a b', 'a{x="y"}', 'a\n'])
    assert.throws(() => counters.claim(name), { code: 'COUNTER_NAME' }, JSON.stringify(name))
})

test('names are bounded', () => {
  const counters = new CounterTable()
  for (let i = 0; i < 4096; i++) counters.claim(`n${i}`)
  assert.throws(() => counters.claim('one-more'), { code: 'LIMIT' })
  counters.claim('n0').value++
})

test('an observation falls in the bucket whose bound it does not exceed', () => {
  const histogram = new CounterTable().histogram('walk.us', [10, 1, 5])
  for (const value of [0, 1, 1.5, 5, 10, 11, 1e9]) histogram.observe(value)
  assert.deepEqual([...histogram.bounds], [1, 5, 10])
  assert.deepEqual([...histogram.buckets], [2, 2, 1, 2])
  assert.equal(histogram.count, 7)
})

test('a page shows drops by reason, values of now, and names that appear later', async () => {
  const counters = new CounterTable()
  const page = new Exposition(new Registry())
  page.local('compute1', counters)
  const hits = counters.claim('flow.hits', 'Packets that found a flow')
  counters.claim('drop.router.no-route').value = 4
  counters.claim('drop.bridge.same-port').value = 1
  let masks = 3
  counters.gauge('flow.masks', () => masks, 'Masks in use')
  const sessions = new Map([['one|two "three"', 1]])
  counters.gauges('session.up', 'peer', () => sessions, 'Sessions that are up')
  await page.text()
  hits.value = 9
  masks = 5
  const text = await page.text()
  for (const line of [
    '# HELP mezzo_flow_hits_total Packets that found a flow',
    '# TYPE mezzo_flow_hits_total counter',
    'mezzo_flow_hits_total{host="compute1"} 9',
    'mezzo_drops_total{host="compute1",reason="router.no-route"} 4',
    'mezzo_drops_total{host="compute1",reason="bridge.same-port"} 1',
    '# TYPE mezzo_flow_masks gauge',
    'mezzo_flow_masks{host="compute1"} 5',
    '# TYPE mezzo_session_up gauge',
    'mezzo_session_up{host="compute1",peer="one|two \\"three\\""} 1'
  ])
    assert.ok(text.split('\n').includes(line), `no line ${line} in:\n${text}`)
  sessions.clear()
  assert.doesNotMatch(await page.text(), /three/)
  counters.claim('late.comer').value = 1
  assert.match(await page.text(), /^mezzo_late_comer_total\{host="compute1"\} 1$/m)
})

test('threads of one host add up, hosts stay apart, and the last snapshot counts', async () => {
  const page = new Exposition(new Registry())
  const [main, worker, other] = [new CounterTable(), new CounterTable(), new CounterTable()]
  main.claim('flow.hits').value = 1
  worker.claim('flow.hits').value = 10
  other.claim('flow.hits').value = 100
  worker.histogram('walk.us', [1, 5]).observe(3)
  page.local('a', main)
  page.merge('a', structuredClone(worker.snapshot()))
  page.merge('b', other.snapshot())
  worker.claim('flow.hits').value = 20
  page.merge('a', structuredClone(worker.snapshot()))
  const text = await page.text()
  assert.match(text, /^mezzo_flow_hits_total\{host="a"\} 21$/m)
  assert.match(text, /^mezzo_flow_hits_total\{host="b"\} 100$/m)
  assert.match(text, /^mezzo_walk_us_bucket\{host="a",le="1"\} 0$/m)
  assert.match(text, /^mezzo_walk_us_bucket\{host="a",le="5"\} 1$/m)
  assert.match(text, /^mezzo_walk_us_bucket\{host="a",le="\+Inf"\} 1$/m)
  assert.match(text, /^mezzo_walk_us_sum\{host="a"\} 3$/m)
  page.forget('b')
  assert.doesNotMatch(await page.text(), /host="b"/)
})
