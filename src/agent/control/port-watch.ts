// The ports that are active on a host, for control sides: the table in which agents say so, and
// the model of each.

import { token } from '../../core/token.ts'
import type { PortModel } from '../../topology/models.ts'
import { activeTable } from '../../topology/ports/port-status.ts'
import type { Store, TableEvent, Watch } from '../../topology/store.ts'

/** Hears which ports are active on a host. */
export interface PortListener {
  /**
   * The port takes packets here; called again when its model changes, or when `isOwn` becomes true:
   * this agent says so, and has the state of its flows. Before, an earlier one has said it.
   */
  active(port: PortModel, isOwn: boolean): void
  /** It does no longer, or is deleted. Called once for each port that was active. */
  gone(id: string): void
}

/** The ports that are active on this host. */
export interface PortActivity {
  /** Tells of the ports that are active here, then of every change, until it is closed. */
  watch(listener: PortListener): Watch
}
/** Asks for it. */
export const PortActivity = token<PortActivity>('port-activity')

/** Of a host, out of the store. */
export class PortWatch implements PortActivity {
  readonly #store: Pick<Store, 'table' | 'watch' | 'session'>
  readonly #host: string

  constructor(store: Pick<Store, 'table' | 'watch' | 'session'>, host: string) {
    this.#store = store
    this.#host = host
  }

  watch(listener: PortListener): Watch {
    const here = new Map<string, Here>()
    const leave = (id: string): void => {
      const port = here.get(id)
      here.delete(id)
      port?.watch.close()
      if (port?.isTold === true) listener.gone(id)
    }
    const own = (port: Here): void => {
      if (!port.isOwn && port.model !== undefined) listener.active(port.model, true)
      port.isOwn = true
    }
    const table = this.#store.table(activeTable(this.#host)).watch(events => {
      for (const event of events) {
        const { id, isHere, isOwn } = this.#said(event)
        if (!isHere) leave(id)
        else if (!here.has(id)) here.set(id, this.#follow(id, isOwn, listener))
        else if (isOwn) own(here.get(id)!)
      }
    })
    return {
      ready: table.ready,
      close: () => {
        table.close()
        for (const { watch } of here.values()) watch.close()
        here.clear()
      }
    }
  }

  #said(event: TableEvent): { id: string; isHere: boolean; isOwn: boolean } {
    if (event.op === 'delete') return { id: event.key, isHere: false, isOwn: false }
    const { key: id, value, owner } = event.entry
    return { id, isHere: value === this.#host, isOwn: owner === this.#store.session }
  }

  #follow(id: string, isOwn: boolean, listener: PortListener): Here {
    const watch: Watch = { ready: Promise.resolve(), close: () => {} }
    const here: Here = { isTold: false, isOwn, model: undefined, watch }
    here.watch = this.#store.watch({ kind: 'port', id }, events => {
      for (const event of events) {
        if (event.op === 'put') {
          here.isTold = true
          here.model = event.object.value as PortModel
          listener.active(here.model, here.isOwn)
        } else if (here.isTold) {
          here.isTold = false
          here.model = undefined
          listener.gone(id)
        }
      }
    })
    return here
  }
}

interface Here {
  isTold: boolean
  isOwn: boolean // said by this agent
  model: PortModel | undefined
  watch: Watch
}
