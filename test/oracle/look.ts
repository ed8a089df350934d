// A look at a world between moves: what a trace tells of a packet is what its flow does to it.

import { describeActions } from '../../src/flow/describe.ts'
import { extract } from '../../src/flow/extract.ts'
import { WORDS, Word } from '../../src/flow/key.ts'
import { Egress } from '../../src/host/ports/egress.ts'
import { SimulationContext } from '../../src/simulation/context.ts'
import { simulate } from '../../src/simulation/simulate.ts'
import { Verdict } from '../../src/simulation/verdict.ts'
import type { PortModel } from '../../src/topology/models.ts'
import { describeFrame } from '../../src/wire/describe.ts'
import type { Ground, Stage } from './stage.ts'

type Host = Ground['hosts'] extends ReadonlyMap<string, infer H> ? H : never

// Text when a flow of a frame sent since the last look differs from the trace.
export function traceLook(stage: Stage): string | undefined {
  for (const { port, frame } of stage.sent.splice(0)) {
    const model = stage.world.store.get('port', port) as PortModel
    const host = model.host === undefined ? undefined : stage.world.hosts.get(model.host)
    if (host === undefined) continue
    const found = compare(host, model, frame)
    if (found !== undefined) return `${port}, ${describeFrame(frame)}: ${found}`
  }
  return undefined
}

function compare(host: Host, port: PortModel, frame: Uint8Array): string | undefined {
  const { worker, view, bindings } = host.host
  const key = new Int32Array(WORDS)
  const bytes = new DataView(frame.buffer, frame.byteOffset, frame.length)
  const ifindex = host.ifindexOf(port.interface!)
  if (bindings.entry(ifindex)?.id !== port.id) return // what comes in there now is dropped
  if (!extract(key, 0, ifindex, 0, 0, bytes, 0, frame.length)) return
  const id = worker.cache.table.find(key, 0)
  if (id === 0) return
  const flow = worker.cache.get(id)!
  if (flow.ttlMin >= ((key[Word.ipMisc]! >>> 8) & 255) && flow.ttlMin > 0) return
  const ctx = new SimulationContext(view)
  ctx.dryRun = true
  ctx.key.load(key, 0)
  ctx.begin(worker.ctx.now, bytes, 0, frame.length)
  const verdict = simulate(ctx, port.id)
  const egress = new Egress(bindings)
  if (verdict === Verdict.postpone || !egress.translate(ctx))
    return `a flow, but the trace waits for ${ctx.outcome.waitingFor}`
  if (egress.actions.equals(flow.actions)) return
  const [told, done] = [describeActions(egress.actions), describeActions(flow.actions)]
  return `the trace tells ${told.join(', ') || 'drop'}; the flow does ${done.join(', ') || 'drop'}`
}
