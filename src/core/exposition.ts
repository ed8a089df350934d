// Counters as Prometheus reads them. One process runs several hosts, and a host counts in several
// threads: each is a source. The main thread's counters are read at scrape time, a worker's are
// the last snapshot it sent. Sources of one host add up; hosts differ by the label `host`.
//   counters 'flow.hits' -> mezzo_flow_hits_total   'drop.router.no-route' -> mezzo_drops_total
//   {reason="router.no-route"}   gauge 'flow.masks' -> mezzo_flow_masks   histogram 'walk.us'
// counters.test.ts holds it.

import type { Registry } from 'prom-client'
import type { Counters, CountersSnapshot, HistogramSnapshot } from './counters.ts'
import { fail } from './errors.ts'

// Counters of these families are one metric, told apart by a label.
const families: Readonly<Record<string, { metric: string; label: string; help: string }>> = {
  drop: { metric: 'drops', label: 'reason', help: 'Packets dropped, by reason' },
  'port-full': {
    metric: 'port_full',
    label: 'port',
    help: 'Packets that would have opened more than their port may, by port'
  }
}

interface Sample {
  readonly metricName: string
  readonly labels: Readonly<Record<string, string>>
  value: number
}

interface Metric {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly samples: Map<string, Sample>
}

// Three threads a host, and as many hosts as a test or a demo would put in one process.
const SOURCES_MAX = 256

/** The counters of all hosts and threads, as one Prometheus page. */
export class Exposition {
  readonly #sources = new Map<string, { host: string; read: () => CountersSnapshot }>()
  readonly #registry: Registry
  readonly #registered = new Set<string>()
  #page = new Map<string, Metric>()

  constructor(registry: Registry) {
    this.#registry = registry
  }

  /** Counters of this thread, read when scraped. */
  local(host: string, counters: Counters, source = 'main'): void {
    this.#add(host, source, () => counters.snapshot())
  }

  /** The latest snapshot of another thread or process; it replaces the one before. */
  merge(host: string, snapshot: CountersSnapshot, source = 'worker'): void {
    this.#add(host, source, () => snapshot)
  }

  /** Leaves the host's counters out from now on. */
  forget(host: string): void {
    for (const [key, source] of this.#sources) if (source.host === host) this.#sources.delete(key)
  }

  /** Of the page, for HTTP. */
  get contentType(): string {
    return this.#registry.contentType
  }

  /** The page, read now: a name that appeared since the last scrape is in it. */
  async text(): Promise<string> {
    this.#page = this.#collect()
    for (const metric of this.#page.values()) this.#register(metric)
    return this.#registry.metrics()
  }

  #add(host: string, source: string, read: () => CountersSnapshot): void {
    const key = `${host} ${source}`
    if (!this.#sources.has(key) && this.#sources.size >= SOURCES_MAX)
      throw fail('LIMIT', { what: 'the list of counter sources', limit: SOURCES_MAX })
    this.#sources.set(key, { host, read })
  }

  // prom-client's own classes count by themselves and cannot be set to a histogram's state, so
  // the registry gets an object with the two members it uses: a name and `get`.
  #register({ name, help, type }: Metric): void {
    if (this.#registered.has(name)) return
    this.#registered.add(name)
    const get = async () => {
      const samples = this.#page.get(name)?.samples.values() ?? []
      return { name, help, type, aggregator: 'sum', values: [...samples] }
    }
    const metric: unknown = { name, help, type, get, reset() {} }
    this.#registry.registerMetric(metric as Parameters<Registry['registerMetric']>[0])
  }

  #collect(): Map<string, Metric> {
    const metrics = new Map<string, Metric>()
    for (const { host, read } of this.#sources.values()) addSource(metrics, host, read())
    return metrics
  }
}

function addSource(metrics: Map<string, Metric>, host: string, snapshot: CountersSnapshot): void {
  const help = (name: string): string => snapshot.help[name] || name
  for (const [name, value] of Object.entries(snapshot.counters)) {
    const { metric, labels, text } = counterName(name)
    addSample(metricOf(metrics, metric, 'counter', text ?? help(name)), metric, value, {
      host,
      ...labels
    })
  }
  for (const [name, value] of Object.entries(snapshot.gauges)) {
    const [family = '', label = '', ...said] = name.split('|')
    const metric = plainName(family)
    const labels = said.length === 0 ? {} : { [label]: said.join('|') }
    addSample(metricOf(metrics, metric, 'gauge', help(family)), metric, value, { host, ...labels })
  }
  for (const [name, histogram] of Object.entries(snapshot.histograms)) {
    const metric = metricOf(metrics, plainName(name), 'histogram', help(name))
    addHistogram(metric, host, histogram)
  }
}

function addHistogram(metric: Metric, host: string, histogram: HistogramSnapshot): void {
  const { bounds, buckets, sum, count } = histogram
  let below = 0
  for (const [i, n] of buckets.entries()) {
    below += n
    const le = i < bounds.length ? String(bounds[i]) : '+Inf'
    addSample(metric, `${metric.name}_bucket`, below, { host, le })
  }
  addSample(metric, `${metric.name}_sum`, sum, { host })
  addSample(metric, `${metric.name}_count`, count, { host })
}

function metricOf(
  metrics: Map<string, Metric>,
  name: string,
  type: Metric['type'],
  help: string
): Metric {
  let metric = metrics.get(name)
  if (metric === undefined) metrics.set(name, (metric = { name, help, type, samples: new Map() }))
  return metric
}

function addSample(
  metric: Metric,
  metricName: string,
  value: number,
  labels: Readonly<Record<string, string>>
): void {
  const key = `${metricName} ${JSON.stringify(labels)}`
  const sample = metric.samples.get(key)
  if (sample === undefined) metric.samples.set(key, { metricName, labels, value })
  else sample.value += value
}

function counterName(name: string): {
  metric: string
  labels: Readonly<Record<string, string>>
  text?: string
} {
  const dot = name.indexOf('.')
  const family = families[name.slice(0, dot)]
  if (family === undefined) return { metric: `${plainName(name)}_total`, labels: {} }
  const labels = { [family.label]: name.slice(dot + 1) }
  return { metric: `mezzo_${family.metric}_total`, labels, text: family.help }
}

const plainName = (name: string): string => `mezzo_${name.replace(/[.-]/g, '_')}`
