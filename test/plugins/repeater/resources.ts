// What the repeater plugin declares: a kind of devices with a field of its ports, a kind of flow
// state, a rule's action, and a service that sits at ports.

import Type from 'typebox'
import { defineModel, defineResources, Name, object, section } from '../../../src/resource.ts'

const repeaterModel = defineModel({
  kind: 'repeater',
  plural: 'repeaters',
  summary: 'Repeats what comes in by one port to all others.',
  schema: object({ name: Name })
})

const muteModel = defineModel({
  kind: 'mute',
  plural: 'mutes',
  summary: 'Swallows pings at the port it sits at.',
  schema: object({ name: Name })
})

const mark = Type.Optional(Type.Integer({ minimum: 0, maximum: 63, description: 'a DSCP' }))

export default defineResources({
  name: 'repeater',
  resources: [repeaterModel, muteModel],
  settings: section({
    beatMs: Type.Integer({ minimum: 1, default: 1000, description: 'between two beats' })
  }),
  deviceKinds: [
    {
      kind: 'repeater',
      port: {
        fields: { deaf: Type.Optional(Type.Boolean({ description: 'true: gets nothing' })) },
        complete: ({ deaf }) => (deaf === undefined ? { deaf: false } : {})
      }
    }
  ],
  stateKinds: [{ name: 'heard', idleS: 300, description: 'what a repeater has heard' }],
  ruleActions: [
    {
      name: 'mark',
      fields: { mark },
      validate: rule =>
        rule.mark === undefined ? [{ field: 'mark', value: undefined, expected: 'a DSCP' }] : []
    }
  ],
  serviceKinds: [{ kind: 'mute', portField: 'mute' }],
  commands: [{ noun: 'echo', verb: 'heard', summary: 'List ports of repeaters.', path: '/heard' }]
})
