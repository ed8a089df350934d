// Ways to break the system on purpose, so that the oracles are seen to notice: a device that
// forgets what it asked (mask), what it depended on (tag), and a flow that does something else than
// the walk did (action).

import type { ActionList } from '../../src/flow/actions.ts'
import { FlowCache } from '../../src/host/flows/flow-cache.ts'
import type { Plugin } from '../../src/plugin.ts'
import type { SimulationContext } from '../../src/simulation/context.ts'
import type { Verdict } from '../../src/simulation/verdict.ts'
import type { LiveDevice } from '../../src/topology/factory.ts'

type Process = (device: LiveDevice, ctx: SimulationContext) => Verdict

// The plugin, but each of its devices handles packets by `process`.
export const withProcess = (plugin: Plugin, process: Process): Plugin => ({
  ...plugin,
  setup: (given, registry, settings) =>
    plugin.setup(
      given,
      {
        ...registry,
        device: (kind, factory) =>
          registry.device(kind, {
            ...factory,
            make: (id, models) => around(factory.make(id, models), process)
          })
      },
      settings
    )
})

// Everything is done by the device itself but the handling of a packet.
function around(device: LiveDevice, process: Process): LiveDevice {
  const own = { ...device, process: device.process.bind(device) }
  return Object.assign(device, { process: (ctx: SimulationContext) => process(own, ctx) })
}

// The device looks at these bits of the key, but the flow does not know.
export const forgetful =
  (word: number, bits: number): Process =>
  (device, ctx) => {
    const before = ctx.key.mask[word]!
    const verdict = device.process(ctx)
    ctx.key.mask[word] = before | (ctx.key.mask[word]! & ~bits)
    return verdict
  }

// Of what the device depended on, the n-th tag is lost.
export const careless =
  (n: number): Process =>
  (device, ctx) => {
    const before = ctx.outcome.tagCount
    const verdict = device.process(ctx)
    const at = before + n
    if (ctx.outcome.tagCount > at) {
      ctx.outcome.tags.copyWithin(at, at + 1, ctx.outcome.tagCount)
      ctx.outcome.tagCount--
    }
    return verdict
  }

// While `job` runs, every flow that is kept has its actions of a type altered.
export function withAlteredActions(
  type: number,
  alter: (actions: ActionList, i: number) => void,
  job: () => void
): void {
  const { add } = FlowCache.prototype
  FlowCache.prototype.add = function (key, mask, flow) {
    const { actions } = flow
    for (let i = 0; i < actions.count; i++) if (actions.type(i) === type) alter(actions, i)
    return add.call(this, key, mask, flow)
  }
  try {
    job()
  } finally {
    FlowCache.prototype.add = add
  }
}
