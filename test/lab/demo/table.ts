// The report as lines for people: who reaches whom, how fast, and what the hosts have done.

import { counts } from './check.ts'
import { type Family, families, nodes } from './plan.ts'
import type { HostReport, PairReport, Report } from './report.ts'

export type Paint = (text: string, how: 'good' | 'bad' | 'dim' | 'bold') => string

/** For what is no terminal. */
export const plain: Paint = text => text

const NAME = 10
const CELL = 10
const COLUMN = 8

export interface TableOptions {
  readonly paint: Paint
  /** Families to show: all, unless the screen is small. */
  readonly families?: readonly Family[]
  readonly live: boolean
}

export function tableOf(report: Report, options: TableOptions): string[] {
  const shown = options.families ?? families
  return [
    ...head(report, options.paint),
    ...shown.flatMap(family => ['', ...matrix(report, family, options.paint)]),
    '',
    ...summary(report, options.paint),
    '',
    ...hostLines(report.hosts, options.paint),
    ...(options.live ? ['', ...hints(report, options.paint)] : [])
  ]
}

function head({ datapath, reason, seconds }: Report, paint: Paint): string[] {
  const what = paint('Mezzo: three hosts, two tenants with the same addresses, one way out', 'bold')
  const ground =
    datapath === 'ebpf'
      ? 'eBPF datapath; hosts and virtual machines are network namespaces'
      : `memory datapath${reason === null ? '' : ` (${reason})`}; no packet leaves this process`
  return [what, paint(`${ground}; ${seconds.toFixed(0)} s`, 'dim')]
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

// Three digits that matter.
export function ms(value: number | null): string {
  if (value === null) return '-'
  return value.toFixed(value < 1 ? 2 : value < 10 ? 1 : 0)
}

function summary({ pairs, faults, ok }: Report, paint: Paint): string[] {
  const right = pairs.filter(pair => pair.ok).length
  const legend = 'milliseconds: first packet / later ones, median; from the left, to the top'
  if (pairs.length < counts.pairs)
    return [paint(legend, 'dim'), `${pairs.length} of ${counts.pairs} pairs asked …`]
  const isolated = counts.pairs - counts.reachable
  const verdict = `${right} of ${counts.pairs} pairs are as they should be`
  const detail = `${counts.reachable} reach each other, ${isolated} must not`
  const line = paint(`${verdict}: ${detail}`, ok ? 'good' : 'bad')
  const wrong = faults.slice(0, FAULTS_MAX).map(fault => paint(`  ${fault}`, 'bad'))
  return [paint(legend, 'dim'), line, ...wrong]
}

const FAULTS_MAX = 8

function hostLines(hosts: readonly HostReport[], paint: Paint): string[] {
  const heads = ['ports', 'flows', 'masks', 'hits', 'misses', 'rate']
  const line = ([name, ...cells]: string[], drops: string): string =>
    `${name!.padEnd(NAME)}${cells.map(text => text.padStart(COLUMN)).join('')}  ${drops}`
  const rows = hosts.map(host => {
    const numbers = [host.ports, host.flows, host.masks, host.hits, host.misses].map(String)
    const rate = host.hit_rate === null ? '-' : `${(host.hit_rate * 100).toFixed(1)} %`
    return line([host.name, ...numbers, rate], dropText(host))
  })
  return [paint(line(['host', ...heads], 'drops'), 'bold'), ...rows]
}

const dropText = ({ drops, drops_by_reason }: HostReport): string => {
  const [first, ...more] = Object.entries(drops_by_reason).sort(([, a], [, b]) => b - a)
  if (first === undefined) return '0'
  return `${drops} (${first[0]}${more.length > 0 ? ', …' : ''})`
}

function hints({ api, datapath }: Report, paint: Paint): string[] {
  const where = api.endsWith(':8181') ? '' : `MEZZO_API=${api} `
  const mezzo = `${where}npm run -s mezzo --`
  const third =
    datapath === 'ebpf' ? `${mezzo} flow list compute1` : `curl -s ${api}/metrics | grep flows_live`
  return [
    `API  ${api}  (OpenAPI at /openapi.json, metrics at /metrics)`,
    `Try  ${mezzo} trace red-web1 'icmp 10.0.1.11 > 10.0.2.21'`,
    `     ${third}`,
    `     ${mezzo} rule list chain=red-db-guard`,
    paint('Ctrl-C takes everything down', 'dim')
  ]
}
