// What the bgp plugin declares.

import { defineResources } from '../../src/resource.ts'
import { bgpNetworkModel, bgpPolicyModel, bgpSpeakerModel } from './models.ts'
import { bgpPeerModel } from './peer/model.ts'
import { bgpSettings } from './settings.ts'
import { staticUplinkModel } from './static/model.ts'

export default defineResources({
  name: 'bgp',
  resources: [bgpSpeakerModel, bgpPolicyModel, bgpPeerModel, bgpNetworkModel, staticUplinkModel],
  settings: bgpSettings,
  commands: [
    {
      noun: 'bgp',
      verb: 'status',
      summary: 'Say what speaks BGP on a host, or on all: ports, sessions, what is announced.',
      path: ''
    }
  ]
})
