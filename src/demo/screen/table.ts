// The report as lines for people: who reaches whom, how fast, what becomes of the connections, and
// what the hosts have done.  What matters most is a sentence of its own: is anything broken?

import { type Family, families, gateways, nodes } from '../plan/plan.ts'
import { type Class, classes, EVERY_MS, speakers } from '../plan/talks.ts'
import { counts } from '../report/check.ts'
import type { HostReport, PairReport, Report } from '../report/report.ts'
import { outcomeText, type Standing, totalOf } from '../report/survival.ts'
import type { WayReport } from '../report/ways.ts'

/** Colours a text, or leaves it. */
export type Paint = (text: string, how: 'good' | 'bad' | 'dim' | 'bold') => string

/** For what is no terminal. */
export const plain: Paint = text => text

const NAME = 10
const CELL = 10
const COLUMN = 8
/** What a matrix takes; a narrower terminal shows none. */
export const MATRIX_COLUMNS = NAME + nodes.length * CELL

/** How the table looks. */
export interface TableOptions {
  readonly paint: Paint
  /** Whose matrix to show: all, unless the screen is small. */
  readonly families?: readonly Family[]
  /** A terminal that is drawn again: hints stand below the table. */
  readonly live: boolean
}

/** The report as lines. */
export function tableOf(report: Report, options: TableOptions): string[] {
  const shown = options.families ?? families
  return [
    ...head(report, options.paint),
    ...shown.flatMap(family => ['', ...matrix(report, family, options.paint)]),
    ...(shown.length > 0 ? [options.paint(LEGEND, 'dim')] : []),
    '',
    ...summary(report, options.paint),
    ...connectionLines(report, options.paint, shown.length === 0 ? 2 : 4),
    '',
    ...serviceLines(report, options.paint),
    ...hostLines(report, options.paint),
    ...(shown.length > 0 ? [options.paint(HOST_LEGEND, 'dim')] : []),
    ...(options.live ? ['', ...hints(report, options.paint, shown.length === 0)] : [])
  ]
}

function head({ datapath, reason, seconds, services }: Report, paint: Paint): string[] {
  const what = paint(
    'Mezzo: two compute hosts, two gateways, two tenants with the same addresses',
    'bold'
  )
  const ground =
    datapath === 'ebpf'
      ? `eBPF datapath; hosts and virtual machines are network namespaces${
          services.length > 0 ? ', agents and servers processes' : ''
        }`
      : 'memory datapath; no packet leaves this process'
  const why = reason === null ? [] : [paint(`No kernel datapath: ${reason}`, 'bad')]
  return [...why, what, paint(`${ground}; ${seconds.toFixed(0)} s`, 'dim')]
}

function matrix({ pairs }: Report, family: Family, paint: Paint): string[] {
  const title = `IPv${family}`.padEnd(NAME)
  const heads = nodes.map(({ name }) => name.padStart(CELL)).join('')
  const rows = nodes.map(from => {
    const cells = nodes.map(to => {
      if (from === to) return paint('·'.padStart(CELL), 'dim')
      const pair = pairs.find(
        each => each.from === from.name && each.to === to.name && each.family === family
      )
      return cell(pair, paint)
    })
    return from.name.padEnd(NAME) + cells.join('')
  })
  return [paint(title + heads, 'bold'), ...rows]
}

// First packet, then the median of later ones, in milliseconds.
function cell(pair: PairReport | undefined, paint: Paint): string {
  if (pair === undefined) return paint('…'.padStart(CELL), 'dim')
  const { ok, expected, reached, because, first_ms, later_ms } = pair
  if (!ok) return paint((reached ? 'LEAK' : expected ? 'LOST' : 'WRONG').padStart(CELL), 'bad')
  if (!expected)
    return paint((because === 'firewall' ? 'filtered' : 'isolated').padStart(CELL), 'dim')
  return paint(`${ms(first_ms)}/${ms(later_ms)}`.padStart(CELL), 'good')
}

/** Three digits that matter. */
export function ms(value: number | null): string {
  if (value === null) return '-'
  return value.toFixed(value < 1 ? 2 : value < 10 ? 1 : 0)
}

const LEGEND = 'milliseconds: first packet / later ones, median; from the left, to the top'
const FAULTS_MAX = 4

// Whether all is well, of pings and of connections.
function summary(report: Report, paint: Paint): string[] {
  const { pairs, faults } = report
  if (pairs.length < counts.pairs) return [`${pairs.length} of ${counts.pairs} pairs asked …`]
  const right = pairs.filter(pair => pair.ok).length
  const isolated = counts.pairs - counts.reachable
  const verdict = `${right} of ${counts.pairs} pairs are as they should be`
  const detail = `${counts.reachable} reach each other, ${isolated} must not`
  const line = paint(`${verdict}: ${detail}`, right === counts.pairs ? 'good' : 'bad')
  const wrong = faults.slice(0, FAULTS_MAX).map(fault => paint(`  ${fault}`, 'bad'))
  const more = faults.length - wrong.length
  if (more > 0) wrong.push(paint(`  and ${more} more`, 'bad'))
  return [line, ...standingLine(report, paint), ...wrong]
}

function standingLine({ connections }: Report, paint: Paint): string[] {
  if (connections.length === 0) return ['opening connections …']
  const { total, alive, resets, gapMs } = totalOf(connections)
  const lost = total === alive ? 'none lost' : `${total - alive} LOST`
  const reset = resets === 0 ? 'none reset' : `${resets} RESET`
  const text = `${alive} of ${total} connections live, ${lost}, ${reset}; longest gap ${gapMs} ms`
  return [paint(text, alive === total && resets === 0 ? 'good' : 'bad')]
}

// --- connections ---------------------------------------------------------------------------------

const about: Readonly<Record<Class, string>> = {
  plain: 'red-web1 to outside',
  snat: 'blue-web1 to outside, translated',
  vip: "red-db1, outside to red's web",
  firewall: 'red-db1 to outside, answers only'
}

function connectionLines(report: Report, paint: Paint, outcomesMax: number): string[] {
  const { connections, ways, survival } = report
  if (connections.length === 0) return []
  const title = 'connections'.padEnd(COLUMN + 4)
  const heads = speakers.map(speaks => `${speaks} speaks`.padEnd(SPEAKER)).join('')
  const rows = classes.map(of => {
    const cells = speakers.map(speaks => {
      const standing = connections.find(each => each.class === of && each.speaks === speaks)
      return standingText(standing, paint)
    })
    return of.padEnd(COLUMN + 4) + cells.join('') + paint(about[of], 'dim')
  })
  return [
    '',
    paint(title + heads, 'bold') + paint(MEASURE, 'dim'),
    ...rows,
    paint(ways.map(wayText).join('; '), 'dim'),
    ...survival.slice(-outcomesMax).map(outcome => {
      const isWhole = outcome.survived === outcome.total
      return paint(outcomeText(outcome), isWhole ? 'good' : 'bad')
    })
  ]
}

const SPEAKER = 17
const MEASURE = `live/all, longest gap; ${EVERY_MS} ms: none`

function standingText(standing: Standing | undefined, paint: Paint): string {
  if (standing === undefined) return paint('…'.padEnd(SPEAKER), 'dim')
  const { total, alive, gap_ms } = standing
  const text = `${alive}/${total}  ${gap_ms} ms`.padEnd(SPEAKER)
  return paint(text, alive === total ? 'good' : 'bad')
}

// Uplinks that all have in common share what goes by them.
function wayText({ tenant, out_by, back_by }: WayReport): string {
  const most = tenant === null ? 'most ' : ''
  return `${tenant ?? 'all'}: ${most}out by ${out_by ?? '-'}, ${most}back by ${back_by ?? '-'}`
}

// --- hosts ---------------------------------------------------------------------------------------

// Of a cluster: who is there, and who of the ensemble leads it.
function serviceLines({ services, opened_meanwhile: opened }: Report, paint: Paint): string[] {
  if (services.length === 0) return []
  const shown = services.map(({ name, alive, role }) =>
    alive ? `${name}${role === '' ? '' : ` (${role})`}` : paint(`${name} dead`, 'bad')
  )
  const meanwhile = opened === 0 ? [] : [`${opened} more connections were opened after faults`]
  return [shown.join(', '), ...meanwhile, '']
}

function hostLines({ hosts, services }: Report, paint: Paint): string[] {
  const isCluster = services.length > 0
  const ofCluster = isCluster ? ['store', 'backup', 'bgp'] : []
  const heads = ['ports', 'flows', 'hits', 'records', 'held', 'ack µs', ...ofCluster]
  const line = ([name, ...cells]: string[], drops: string): string =>
    `${name!.padEnd(NAME)}${cells.map(text => text.padStart(COLUMN)).join('')}  ${drops}`
  const rows = hosts.map(host => {
    if (!host.alive) return paint(line([host.name], 'dead'), 'bad')
    const rate = host.hit_rate === null ? '-' : `${(host.hit_rate * 100).toFixed(1)} %`
    const records = Object.values(host.records).reduce((sum, n) => sum + n, 0)
    const { ports, flows, held, acknowledged_us_p50: us } = host
    const cells = [ports, flows, rate, records, held, us === null ? '-' : `≤${us}`].map(String)
    const health = isCluster ? healthOf(host) : []
    return line([host.name, ...cells, ...health], dropText(host))
  })
  return [paint(line(['host', ...heads], 'drops'), 'bold'), ...rows]
}

const KIB = 1024

// How the store of the topology is, the backup of flow state, and at a gateway its BGP sessions.
const healthOf = (host: HostReport): string[] => [
  host.store_away_ms === 0 ? 'ok' : `-${(host.store_away_ms / 1000).toFixed(0)} s`,
  host.backup_waiting_bytes < KIB ? 'ok' : `${Math.ceil(host.backup_waiting_bytes / KIB)} KiB`,
  bgpOf(host)
]

function bgpOf({ name, bgp_sessions: sessions, drained }: HostReport): string {
  if (!gateways.some(gateway => gateway === name)) return '-'
  return drained ? 'drained' : `${sessions} up`
}

const HOST_LEGEND =
  'hits: packets no agent had to see; records: flow state; held: waited for its acknowledgement'
const dropText = ({ drops, drops_by_reason }: HostReport): string => {
  const [first, ...more] = Object.entries(drops_by_reason).sort(([, a], [, b]) => b - a)
  if (first === undefined) return '0'
  return `${drops} (${first[0]}${more.length > 0 ? ', …' : ''})`
}

function hints({ api, services }: Report, paint: Paint, short: boolean): string[] {
  const where = api.endsWith(':8181') ? '' : `MEZZO_API=${api} `
  const mezzo = `${where}npm run -s mezzo -- demo`
  if (short)
    return [
      `Try: ${mezzo} kill gateway1 (restore, restart, move VM HOST)`,
      paint('Ctrl-C takes everything down; a larger terminal shows more', 'dim')
    ]
  return [
    `API  ${api}  (OpenAPI at /openapi.json, metrics at /metrics)`,
    `Try  ${mezzo} kill gateway1        (then restore gateway1)`,
    `     ${mezzo} move red-web2 compute1`,
    `     ${mezzo} restart compute2`,
    ...(services.length === 0
      ? []
      : [
          `     ${mezzo} kill leader          (then restore leader; cassandra, controller)`,
          `     ${mezzo} stop zookeeper       (all of it; then restore zookeeper)`,
          `     ${mezzo} kill r1              (a router outside; then restore r1)`,
          `     ${mezzo} cut gateway1 r1      (then mend gateway1 r1)`,
          `     ${mezzo} drain gateway1       (then undrain gateway1)`
        ]),
    `     ${where}npm run -s mezzo -- trace red-db1 'tcp 10.0.2.21:5000 > 203.0.113.10:80'`,
    paint('Ctrl-C takes everything down', 'dim')
  ]
}
