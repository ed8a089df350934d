// Whether what a soak has sampled is flat: the median of the last third of the time against that of
// the middle third; the first third is for filling up.  A pure function, so that it can be shown to
// find what grows.

import { median } from '../../src/lab/index.ts'

/** What was seen of one subject (an agent, the store, the load) at one moment. */
export interface Sample {
  readonly atS: number
  readonly subject: string
  /** 0 when it is no process. */
  readonly pid: number
  readonly values: Readonly<Record<string, number>>
}

export interface Allowance {
  /** Names of figures it is for; the first that matches counts. */
  readonly of: RegExp
  /** What the last third may have above the middle one: a part of it, and so much. */
  readonly part: number
  readonly plus: number
  /** Of a process: not to be compared with that of its successor. */
  readonly isProcess?: boolean
}

export interface Finding {
  readonly subject: string
  readonly figure: string
  readonly middle: number
  readonly last: number
  readonly allowed: number
  readonly grew: boolean
}

export interface Judgement {
  readonly findings: readonly Finding[]
  /** Figures that could not be judged, and why. */
  readonly unjudged: readonly string[]
  /** What makes it a failure; empty: all is flat. */
  readonly faults: readonly string[]
}

const SAMPLES_MIN = 3 // of a third

/** `alive`: `subject figure` that must not be zero, or the soak has shown nothing. */
export function judge(
  samples: readonly Sample[],
  allowances: readonly Allowance[],
  alive: readonly string[]
): Judgement {
  const end = Math.max(0, ...samples.map(({ atS }) => atS))
  const late = samples.filter(({ atS }) => atS >= end / 3)
  const findings: Finding[] = []
  const unjudged: string[] = []
  for (const subject of new Set(late.map(each => each.subject))) {
    const own = late.filter(each => each.subject === subject)
    for (const figure of new Set(own.flatMap(({ values }) => Object.keys(values)))) {
      const allowance = allowances.find(({ of }) => of.test(figure))
      if (allowance === undefined) continue
      const found = compare(own, figure, allowance, (2 * end) / 3)
      if (typeof found === 'string') unjudged.push(`${subject} ${figure}: ${found}`)
      else findings.push({ subject, figure, ...found })
    }
  }
  const grown = findings.filter(({ grew }) => grew).map(describe)
  const faults = [...grown, ...alive.filter(name => !isAlive(findings, name)).map(describeDead)]
  return { findings, unjudged, faults }
}

function compare(
  own: readonly Sample[],
  figure: string,
  { part, plus, isProcess }: Allowance,
  boundary: number
): Omit<Finding, 'subject' | 'figure'> | string {
  if (isProcess === true && new Set(own.map(({ pid }) => pid)).size > 1) return 'restarted'
  const valuesOf = (isLast: boolean): number[] =>
    own
      .filter(({ atS, values }) => atS >= boundary === isLast && values[figure] !== undefined)
      .map(({ values }) => values[figure]!)
  const [before, after] = [valuesOf(false), valuesOf(true)]
  if (Math.min(before.length, after.length) < SAMPLES_MIN) return 'too few samples'
  const [middle, last] = [median(before)!, median(after)!]
  const allowed = middle * (1 + part) + plus
  return { middle, last, allowed, grew: last > allowed }
}

const isAlive = (findings: readonly Finding[], name: string): boolean =>
  findings.some(({ subject, figure, middle, last }) => {
    return `${subject} ${figure}` === name && middle > 0 && last > 0
  })

const describe = ({ subject, figure, middle, last, allowed }: Finding): string =>
  `${subject} ${figure} grew from ${short(middle)} to ${short(last)}; ${short(allowed)} is allowed`

const describeDead = (name: string): string => `${name} was 0 or not seen: nothing was shown`

export const short = (value: number): string => String(Math.round(value * 10) / 10)
