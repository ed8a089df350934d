// The repeater in a packet thread.

import { RuleActions } from '../../../plugins/firewall/token.ts'
import {
  type DeviceFactory,
  definePlugin,
  deviceTag,
  type Interest,
  ipv4,
  type LiveDevice,
  type Models,
  type Service,
  type SimulationContext,
  StateKinds,
  state,
  type Tag,
  Verdict
} from '../../../src/plugin.ts'

const { KeyWord, RECORD_WORDS } = state

class Repeater implements LiveDevice {
  readonly id: string
  readonly #heard: number // kind of state
  readonly #record = new Int32Array(RECORD_WORDS)
  #ports: readonly string[] = []

  constructor(id: string, models: Models, heard: number) {
    this.id = id
    this.#heard = heard
    this.update(models)
  }

  process(ctx: SimulationContext): Verdict {
    ctx.tag(deviceTag(this.id))
    if (ctx.key.ethType === 0x0800) this.#remember(ctx)
    return ctx.flood(this.#ports)
  }

  // One record for each station: where its first packet came in, other hosts may ask.
  #remember(ctx: SimulationContext): void {
    const record = this.#record.fill(0)
    record[KeyWord.type] = (this.#heard << 16) | (4 << 8)
    record.set(state.scopeOf(this.id), KeyWord.scope)
    record[KeyWord.src + 3] = ctx.key.ipv4Src
    if (!ctx.findState(record.subarray(0, state.KEY_WORDS))) ctx.putState(record)
  }

  update(models: Models): readonly Tag[] {
    const ports = models.portsOf(this.id).filter(({ own }) => own.deaf !== true)
    this.#ports = ports.map(({ id }) => id)
    return [deviceTag(this.id)]
  }
}

/** Sits at a port: pings that come in there are swallowed. */
class Mute implements LiveDevice, Service {
  readonly id: string

  constructor(id: string) {
    this.id = id
  }

  process(ctx: SimulationContext): Verdict {
    return ctx.drop('repeater.no-device')
  }

  take(ctx: SimulationContext): Verdict | null {
    const isPing = ctx.key.ethType === 0x0800 && ctx.key.ipProto === ipv4.Protocol.icmp
    return isPing ? ctx.drop('repeater.muted') : null
  }

  update(): readonly Tag[] {
    return [deviceTag(this.id)]
  }
}

export default definePlugin({
  name: 'repeater',
  needs: { stateKinds: StateKinds, actions: RuleActions },
  setup({ stateKinds, actions }, registry) {
    const heard = stateKinds.number('heard')
    const repeaters: DeviceFactory = {
      interests: (id): Interest[] => [{ kind: 'port', field: 'device', value: id }],
      make: (id, models) => new Repeater(id, models, heard)
    }
    registry.device('repeater', repeaters)
    registry.device('mute', { interests: () => [], make: id => new Mute(id) })
    actions.register('mark', rule => {
      const { mark = 0 } = rule as { readonly mark?: number }
      return {
        act: ctx => {
          ctx.key.ipTos = (mark << 2) | (ctx.key.ipTos & 3)
          return Verdict.forward
        }
      }
    })
  }
})
