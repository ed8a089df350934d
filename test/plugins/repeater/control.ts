// The repeater's side on the main thread: knows the ports that are active here, and keeps a program
// running for each of them.

import {
  Api,
  defineControl,
  fail,
  Notes,
  PortActivity,
  Processes,
  type Supervised,
  ThisHost
} from '../../../src/control.ts'

interface RepeaterSettings {
  readonly beatMs: number
}

export default defineControl({
  name: 'repeater',
  needs: { api: Api, host: ThisHost, notes: Notes, ports: PortActivity, processes: Processes },
  routes: [
    {
      method: 'GET',
      path: '/heard',
      id: 'listRepeaterPort',
      summary: 'The ports of repeaters that are active on a host.',
      query: { port: { type: 'string', description: 'this one alone' } },
      answer: { type: 'object', additionalProperties: true }
    },
    { method: 'POST', path: '/reset', id: 'resetRepeater', summary: 'Starts programs again.' }
  ],
  setup({ api, host, notes, ports, processes }, { beatMs }: RepeaterSettings) {
    const programs = new Map<string, Supervised>()
    const watch = ports.watch({
      active({ id, type }) {
        if (type !== 'repeater' || programs.has(id)) return
        const beat = `process.stdout.write('here\\n'); setInterval(() => {}, ${beatMs})`
        programs.set(id, processes.start({ name: id, command: [process.execPath, '-e', beat] }))
      },
      gone(id) {
        void programs.get(id)?.stop()
        programs.delete(id)
      }
    })
    api.answer('listRepeaterPort', ({ query: { port } }) => {
      if (port !== undefined && !programs.has(port))
        throw fail('NOT_FOUND', { kind: 'port', id: port })
      const all = [...programs].filter(([id]) => port === undefined || id === port)
      return {
        host: host.name,
        ports: all.map(([id, { pid, restarts }]) => ({ id, pid, restarts }))
      }
    })
    api.answer('resetRepeater', () => {
      for (const program of programs.values()) program.restart()
      notes.say(['programs were reset'])
    })
    return { stop: () => watch.close() }
  }
})
